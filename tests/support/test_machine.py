"""The guard that every test runs under finds what it is there to find."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.machine import Snapshot, detach_mounts, left_since

MAKE_AND_UNDO = {
    "mount": ("mount -t tmpfs mdtest {tmp}", "umount {tmp}"),
    "link": ("ip link add mdta type veth peer name mdtb", "ip link del mdta"),
    "route": ("ip route add 198.18.0.0/24 dev lo", "ip route del 198.18.0.0/24"),
    "network namespace": ("ip netns add mdt", "ip netns del mdt"),
    "cgroup": ("mkdir -p {cgroup2}/minidock-t/c1", "cd {cgroup2} && rmdir -p minidock-t/c1"),
    "loop device": ("truncate -s 1M {tmp}/d; losetup -f {tmp}/d", "losetup -d $(losetup -nOname -j {tmp}/d)"),
    "nft table": ("nft add table inet mdt", "nft delete table inet mdt"),
    "process": ("{orphan} sleep 60; until [ -s {tmp}/pid ]; do sleep 0.01; done", "kill $(cat {tmp}/pid)"),
}


# A program of a session of its own.
ORPHAN = "setsid -f sh -c 'echo $$ >{tmp}/pid; exec \"$@\"' - </dev/null >/dev/null 2>&1"


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    cgroup2 = next(mount[1] for mount in mounts if mount[2] == "cgroup2")
    return {"tmp": str(tmp_path), "cgroup2": cgroup2, "orphan": ORPHAN.format(tmp=tmp_path)}


@pytest.mark.parametrize("kind", MAKE_AND_UNDO)
def test_each_kind_of_leftover_is_named(kind: str, places: dict[str, str], basetemp: Path) -> None:
    make, undo = (command.format(**places) for command in MAKE_AND_UNDO[kind])
    before = Snapshot(basetemp)
    subprocess.run(make, shell=True, check=True)
    try:
        left = left_since(before, grace=0.1)
    finally:
        subprocess.run(undo, shell=True, check=True)
    assert kind in [thing[0] for thing in left]


def test_a_fork_that_lost_its_parent_is_still_ours(basetemp: Path) -> None:
    before = Snapshot(basetemp)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.setsid()
            os.close(writing)
            os.read(reading, 1)
        os._exit(0)
    os.waitpid(child, 0)
    left = left_since(before, grace=0.1)
    os.close(writing)
    assert "process" in [thing[0] for thing in left]


def test_what_ends_within_the_grace_is_no_leftover(places: dict[str, str], basetemp: Path) -> None:
    before = Snapshot(basetemp)
    subprocess.run(f"{places['orphan']} sleep 0.3", shell=True, check=True)
    assert left_since(before) == []


def test_the_bridge_and_the_table_may_stay(basetemp: Path) -> None:
    before = Snapshot(basetemp)
    had = b"table ip minidock" in subprocess.run(["nft", "list", "tables"], capture_output=True, check=True).stdout
    subprocess.run(["nft", "add", "table", "ip", "minidock"], check=True)
    left = left_since(before, grace=0.1)
    if not had:
        subprocess.run(["nft", "delete", "table", "ip", "minidock"], check=True)
    assert left == []


def test_a_mount_left_in_the_sessions_directory_is_detached(tmp_path: Path, basetemp: Path) -> None:
    before = Snapshot(basetemp)
    subprocess.run(["mount", "-t", "tmpfs", "mdtest", tmp_path], check=True)
    detach_mounts(left_since(before, grace=0))
    assert not tmp_path.is_mount()
