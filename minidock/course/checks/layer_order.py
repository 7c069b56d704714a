"""Stage 7: several directories as one tree, changes in a layer of their own, which goes."""

from __future__ import annotations

import os

from minidock.course import sandbox
from minidock.course.bench import WAIT, Bench, read
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.pivoted_root import begun, host_is_as_before
from minidock.course.missing import Missing

_TOP = f"{sandbox.WORK}/top"
_LOOK = "cat /greeting; ls /etc/motd 2>/dev/null; ls /written 2>/dev/null; echo hello > /written; ls /written;"


def check(bench: Bench) -> None:
    """See the module."""
    _make_layers(bench)
    before, files = bench.mounts(), _files(bench)
    layers = f"{bench.rootfs}:{_TOP}"
    for time in ("first", "second"):
        with bench.start(layers, command=["sh", "-c", f"{_LOOK} {WAIT}"]) as running:
            said = begun(bench, running, before)
            _is_overlay(bench, running.pid)
            host_is_as_before(bench, before)
            _tree(said, time)
            running.end()
    bench.ok("the layers are one tree: the topmost wins, a whiteout hides, changes are possible")
    changed = sorted(_files(bench) ^ files)
    if changed:
        raise Missing(f"{changed[0]} was not there before: layers are shared, and changes go to upperdir only")
    bench.ok("no layer has changed, and no run sees the changes of another")
    exit_code_passes(bench, layers)
    left = sorted(set(os.listdir("/tmp")) - {os.path.basename(sandbox.WORK)})
    if left:
        raise Missing(f"/tmp/{left[0]} is left: remove the changes when the container has ended")
    bench.nothing_is_left()
    bench.ok("nothing is left")


def _make_layers(bench: Bench) -> None:
    """The rootfs, and a layer on top with a changed file and a whiteout (overlayfs.rst)."""
    os.makedirs(f"{_TOP}/etc")
    for place, text in ((bench.rootfs, "from the bottom"), (_TOP, "from the top")):
        with open(f"{place}/greeting", "w", encoding="ascii") as file:
            file.write(f"{text}\n")
    with open(f"{bench.rootfs}/etc/motd", "w", encoding="ascii") as file:
        file.write("hidden\n")
    os.mknod(f"{_TOP}/etc/motd", 0o20000, os.makedev(0, 0))


def _files(bench: Bench) -> set[str]:
    return {
        os.path.join(directory, name)
        for place in (bench.rootfs, _TOP)
        for directory, _, names in os.walk(place)
        for name in names
    }


def _is_overlay(bench: Bench, pid: int) -> None:
    kinds = [
        line.partition(" - ")[2].split()[0]
        for line in read(f"/proc/{pid}/mountinfo").splitlines()
        if line.split()[4] == "/"
    ]
    if kinds != ["overlay"]:
        raise Missing(
            f"the root is of type {', '.join(kinds) or 'none'}: mount an overlay of the layers, and pivot_root into it"
        )


def _tree(said: list[str], time: str) -> None:
    if said[:1] == ["from the bottom"]:
        raise Missing(
            "a file of the bottom layer hides the top layer's: the layers come bottom first, as in an image, and "
            "lowerdir "
            "wants the topmost first: reverse them"
        )
    if said[:1] != ["from the top"]:
        raise Missing(f"/greeting is in both layers, and the command reads {' '.join(said[:1]) or 'nothing'}")
    if "/etc/motd" in said:
        raise Missing(
            "/etc/motd is deleted in the top layer, and the command sees it: both layers belong into one lowerdir"
        )
    if said.count("/written") == 0:
        raise Missing("the command cannot write to /: give the overlay an upperdir and a workdir")
    if said.count("/written") > 1:
        raise Missing(f"the {time} run sees what was written before: a new upperdir for each, removed at the end")
