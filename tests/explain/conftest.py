"""What the explanations and X-rays are made of: a machine where the image is there and the bridge made."""

from __future__ import annotations

import pytest

from tests.explain.looking import FIRST, SECOND, THIRD, load_layers
from tests.image.tars import archive
from tests.support.command import Minidock


@pytest.fixture(scope="session")
def engine(minidock: Minidock) -> Minidock:
    """The program, with the alpine image there and the bridge network made."""
    done = minidock("run", "--rm", "alpine", "true", timeout=250)
    assert done.returncode == 0, done.stderr.decode()
    return minidock


@pytest.fixture(scope="session")
def layered(minidock: Minidock) -> str:
    """The name of an image of the three layers of `looking.py`."""
    layers = [archive(*entries) for entries in (FIRST, SECOND, THIRD)]
    return load_layers(minidock, "layered:1", layers, ["ADD first", "RUN second", "RUN third"])
