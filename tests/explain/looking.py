"""Containers to look at, and images of several layers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minidock.image.digest import of_bytes
from tests.image.tars import archive, directory, entry
from tests.support.command import Minidock

Xray = dict[str, Any]
SHELL = ("/bin/busybox", "sh", "-ec")


class Container:
    """A container that runs in the background until its block ends."""

    def __init__(self, minidock: Minidock, name: str) -> None:
        self.minidock = minidock
        self.name = name

    @property
    def pid(self) -> int:
        """Its first process, from its record."""
        described = json.loads(self.minidock("inspect", self.name).stdout)
        return int(described[0]["State"]["Pid"])

    def shell(self, script: str) -> str:
        """What a script prints that runs inside."""
        done = self.minidock("exec", self.name, *SHELL, script)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def xray(self) -> Xray:
        """The X-ray, as JSON."""
        return xray_of(self.minidock, self.name)


def xray_of(minidock: Minidock, name: str) -> Xray:
    done = minidock("xray", "--json", name)
    assert (done.returncode, done.stderr) == (0, b"")
    found: Xray = json.loads(done.stdout)
    return found


@contextmanager
def running(minidock: Minidock, name: str, *words: str) -> Iterator[Container]:
    """`minidock run -d --name NAME WORDS...` until the block ends."""
    done = minidock("run", "-d", "--name", name, *words)
    assert done.returncode == 0, done.stderr.decode()
    try:
        yield Container(minidock, name)
    finally:
        done = minidock("rm", "-f", name)
        assert done.returncode == 0, done.stderr.decode()


def load_layers(minidock: Minidock, name: str, layers: list[bytes], made_by: list[str]) -> str:
    """An image of these tar archives, bottom to top, through `minidock load`; returns its name."""
    config = {
        "os": "linux", "architecture": "amd64", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [of_bytes(layer) for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": words} for words in made_by],
    }  # fmt: skip
    manifest = [{"Config": "c.json", "RepoTags": [name], "Layers": [f"{n}.tar" for n in range(len(layers))]}]
    entries = [entry(f"{number}.tar", content=layer) for number, layer in enumerate(layers)]
    entries += [entry("c.json", content=json.dumps(config).encode())]
    entries += [entry("manifest.json", content=json.dumps(manifest).encode())]
    done = minidock("load", input=archive(*entries))
    assert done.returncode == 0, done.stderr.decode()
    return name


# An image of three layers:
# the second one changes, deletes and replaces what the first has; the third hides a directory's content.
FIRST = (
    directory("etc"), entry("etc/kept", content=b"kept"), entry("etc/gone", content=b"12345"),
    entry("etc/changed", content=b"old"), entry("etc/chmod", content=b"same"),
    directory("opt"), directory("opt/deep"), entry("opt/deep/a", content=b"a" * 10), entry("opt/deep/b", content=b"b"),
    directory("srv"), entry("srv/one", content=b"1"), entry("srv/two", content=b"22"), directory("lib"),
    entry("lib/x", content=b"x"),
)  # fmt: skip
SECOND = (
    directory("etc"), entry("etc/.wh.gone"), entry("etc/changed", content=b"newer"),
    entry("etc/chmod", content=b"same", mode=0o600), entry("etc/new", content=b"n"), entry(".wh.opt"),
)  # fmt: skip
THIRD = (directory("srv"), entry("srv/.wh..wh..opq"), entry("srv/two", content=b"222"), entry("lib", content=b"file"))


def namespace(pid: int | str, name: str) -> int:
    return os.stat(f"/proc/{pid}/ns/{name}").st_ino
