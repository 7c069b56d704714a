"""Volumes in docker and in minidock: what first use copies into them, what inspect shows, what is refused and how."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Minidock
from tests.support.odd_archive import odd_archive

pytestmark = pytest.mark.interop

Both = Callable[..., tuple[str, str]]


@pytest.fixture
def both(docker: list[str], minidock: Minidock) -> Iterator[Both]:
    """`both(*words)`: the same command in docker and in minidock; both outputs."""

    def both(*words: str, data: bytes = b"") -> tuple[str, str]:
        theirs = subprocess.run([*docker, *words], input=data, capture_output=True, timeout=60, check=False)
        ours = minidock(*words, input=data)
        assert (theirs.returncode, ours.returncode) == (0, 0), (theirs.stderr, ours.stderr)
        return theirs.stdout.decode(), ours.stdout.decode()

    yield both
    for command in (docker, minidock.program):
        for words in (["container", "prune", "-f"], ["volume", "prune", "-f"]):
            subprocess.run([*command, *words], env=minidock.environment, capture_output=True, check=True)


def archive() -> bytes:
    """Docker takes attributes from each entry of a hard link."""
    return odd_archive(pipe=False, link_attributes={"mode": 0o4750, "uid": 1, "gid": 2}, link="to-d")


def tree(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a directory, and itself ("."): mode, owner, device, content, attributes, who is the same file."""
    found, inodes = {}, {}
    for path in sorted([directory, *directory.rglob("*")]):
        status, name = path.lstat(), str(path.relative_to(directory))
        kind = stat.S_IFMT(status.st_mode)
        content: Any = path.read_bytes() if stat.S_ISREG(kind) else None
        content = os.readlink(path) if stat.S_ISLNK(kind) else content
        xattrs = {key: os.getxattr(path, key, follow_symlinks=False)
                  for key in os.listxattr(path, follow_symlinks=False)}  # fmt: skip
        first = inodes.setdefault(status.st_ino, name)
        found[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, content, xattrs, first)
    return found


@pytest.mark.parametrize("place", ["/d", "/to-d", "/d/below", "/nowhere"])
def test_first_use_copies_the_same(both: Both, place: str) -> None:
    both("import", "-", "full", data=archive())
    both("run", "--name", "copier", "--network", "none", "-v", f"copied:{place}", "full", "/bin/busybox", "true")
    theirs, ours = (Path(json.loads(out)[0]["Mountpoint"]) for out in both("volume", "inspect", "copied"))
    assert tree(ours) == tree(theirs)
    both("rm", "copier")
    both("volume", "rm", "copied")


OPTIONS = [
    "-v", "one:/one:ro", "-v", "/anonymous", "-v", "/usr/share:/b:ro,z", "-v", "/usr/share:/b2",
    "--mount", "type=tmpfs,target=/t,tmpfs-size=2m,tmpfs-mode=700", "--tmpfs", "/t2:size=1m",
    "--mount", "type=bind,src=/usr/share,dst=/mb,ro,bind-nonrecursive", "--mount", "type=volume,dst=/unnamed",
    "--mount", "type=volume,src=two,dst=/two,volume-nocopy,ro,volume-label=a=b",
]  # fmt: skip


def comparable(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what differs: where volumes are, how those without a name are called, docker's order of map keys."""
    plain = [
        {**point, "Source": point["Source"] if point["Type"] == "bind" else "",
         "Name": point.get("Name", "") if len(point.get("Name", "")) < 64 else "anonymous"}
        for point in points
    ]  # fmt: skip
    return sorted(plain, key=lambda point: str(point["Destination"]))


def test_inspect_shows_the_same(both: Both) -> None:
    both("create", "--name", "seen", "--network", "none", *OPTIONS, "alpine", "true")
    theirs, ours = (json.loads(out)[0] for out in both("inspect", "seen"))
    assert comparable(ours["Mounts"]) == comparable(theirs["Mounts"])
    assert sorted(ours["HostConfig"]["Binds"]) == sorted(theirs["HostConfig"]["Binds"])
    assert ours["Config"]["Volumes"] == theirs["Config"]["Volumes"]
    # An empty DriverConfig is all that docker's client adds to what was asked for.
    asked = [{key: {k: v for k, v in value.items() if v} if isinstance(value, dict) else value
              for key, value in mount.items()} for mount in theirs["HostConfig"]["Mounts"]]  # fmt: skip
    assert [{k: v for k, v in mount.items() if v} for mount in asked] == ours["HostConfig"]["Mounts"]
    labels = [json.loads(out)[0]["Labels"] for out in both("volume", "inspect", "two")]
    assert labels[0] == labels[1] == {"a": "b"}


def test_the_program_sees_the_same_mounts(both: Both) -> None:
    script = "grep -E ' /(one|anonymous|b|b2|t|t2|mb|unnamed|two) ' /proc/mounts | cut -d' ' -f2,4 | sort"
    theirs, ours = both("run", "--name", "seen", "--network", "none", *OPTIONS, "alpine", "sh", "-c", script)
    assert options(ours) == options(theirs)


def options(mounts: str) -> dict[str, set[str]]:
    """The options of each mount point that a program can feel: not how the host's file system was mounted."""
    felt = {"ro", "rw", "nosuid", "nodev", "noexec"}
    rows = [line.split(" ") for line in mounts.splitlines()]
    return {place: {word for word in words.split(",") if word in felt or word.startswith(("size", "mode"))}
            for place, words in rows}  # fmt: skip


def test_volumes_from_another_container(both: Both) -> None:
    both("create", "--name", "owner", "-v", "one:/one", "-v", "/usr/share:/b", "-v", "/anonymous", "alpine", "true")
    for mode in ("", ":ro"):
        both("create", "--name", "heir", "--volumes-from", f"owner{mode}", "alpine", "true")
        theirs, ours = (json.loads(out)[0] for out in both("inspect", "heir"))
        assert comparable(ours["Mounts"]) == comparable(theirs["Mounts"])
        assert ours["HostConfig"]["VolumesFrom"] == theirs["HostConfig"]["VolumesFrom"]
        both("rm", "heir")


REFUSED = [
    ["-v", ":/x"], ["-v", "/x:"], ["-v", "a:b:c:d"], ["-v", "/x:ro"], ["-v", "data:rel"], ["-v", "/tmp:rel"],
    ["-v", "data:/"], ["-v", "/tmp:/"], ["-v", "data:/d:foo"], ["-v", "data:/d:ro,rw"], ["-v", "data:/d:rshared"],
    ["-v", "/tmp:/d:nocopy"], ["-v", "a b:/d"], ["-v", "/tmp:/d", "-v", "/usr:/d"], ["-v", "/tmp:/d", "--tmpfs", "/d"],
    ["--mount", "foo"], ["--mount", "foo=x"], ["--mount", "type=x,target=/d"], ["--mount", "type=bind,target=/d"],
    ["--mount", "type=bind,source=/nope,target=/d"], ["--mount", "type=bind,source=r,target=/d"],
    ["--mount", "type=bind,source=/tmp"], ["--mount", "type=volume,source=/tmp,target=/d"],
    ["--mount", "type=volume,target=/d,tmpfs-size=1m"], ["--mount", "type=tmpfs,source=x,target=/d"],
    ["--mount", "type=tmpfs,target=/d,tmpfs-mode=9"], ["--mount", "source=vv,target=/d,volume-opt=foo=bar"],
    ["--mount", "type=bind,source=/tmp,target=/d,bind-propagation=foo"], ["--volumes-from", "nobody"],
    ["--volumes-from", "nobody:foo"], ["--tmpfs", "rel"], ["--tmpfs", "/"], ["--tmpfs", "/d:foo"],
    ["--device", "rel"], ["--device", "/dev/null:/dev/x:rwmx"], ["--device-cgroup-rule", "foo"],
    ["--security-opt", "foo"], ["--security-opt", "foo=bar"], ["--security-opt", "seccomp=/nope"],
    ["--pid", "foo"], ["--pid", "container:nobody"], ["--ipc", "foo"], ["--uts", "foo"], ["--userns", "foo"],
    ["--uts", "host", "-h", "x"], ["--oom-score-adj", "2000"], ["--cgroupns", "foo"], ["--memory-swappiness", "101"],
    ["--cpu-period", "10"], ["--cpu-quota", "10"], ["--cpus", "1", "--cpu-quota", "20000"], ["--label-file", "/nope"],
]  # fmt: skip


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refused_in_the_same_words(docker: list[str], minidock: Minidock, words: list[str]) -> None:
    command = ["run", "--rm", "--network", "none", *words, "alpine", "true"]
    theirs = subprocess.run([*docker, *command], capture_output=True, text=True, timeout=60, check=False)
    ours = minidock(*command)
    line = theirs.stderr.splitlines()[0].removeprefix("docker: ").removeprefix("Error response from daemon: ")
    line = re.sub("^Invalid IPC mode", "invalid IPC mode", line)  # what docker 26 says in the place of the one asked
    assert ours.returncode == theirs.returncode == 125
    assert ours.stderr.decode().rstrip("\n") == f"minidock: {line}"
