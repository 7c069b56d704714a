"""What the explanations and X-rays are made of: a machine where the image is there and the bridge made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.containers import eventually
from tests.explain.looking import FIRST, SECOND, THIRD, Container, Xray, load_layers, running
from tests.image.tars import archive
from tests.support.command import Minidock


@pytest.fixture(scope="session")
def engine_without_network(minidock: Minidock, alpine: None) -> Minidock:
    """The program, with the alpine image there; for a kernel that has no packet filter."""
    return minidock


@pytest.fixture(scope="session")
def layered(minidock: Minidock) -> str:
    """The name of an image of the three layers of `looking.py`."""
    layers = [archive(*entries) for entries in (FIRST, SECOND, THIRD)]
    return load_layers(minidock, "layered:1", layers, ["ADD first", "RUN second", "RUN third"])


@pytest.fixture(scope="module")
def web(engine: Minidock) -> Iterator[Container]:
    """A container with some of everything: a child, a listener, a published port, changes, a capability less."""
    script = (
        "echo note > /srv/note; rm /etc/motd; echo >> /etc/issue; chmod 600 /etc/group; rm -r /etc/apk/keys; "
        "cd /tmp; nc -lk -p 80 & exec sleep 1000"
    )
    words = ["-p", "18080:80", "--cap-drop", "NET_RAW", "--cap-add", "SYS_NICE", "--hostname", "webhost"]
    with running(engine, "web", *words, "alpine", "sh", "-c", script) as container:
        eventually(lambda: len(container.xray()["running"]["processes"]) == 2)
        yield container


@pytest.fixture(scope="module")
def xray(web: Container) -> Xray:
    return web.xray()
