"""The guard that every test runs under finds what it is there to find."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.machine import Session, Snapshot, detach_mounts, left_since

# Ours alone, should two sessions run at once on one machine.
NAMES = {"name": f"mdt{os.getpid()}", "route": f"198.18.{os.getpid() % 256}.0/24"}

MAKE_AND_UNDO = {
    "mount": ("mount -t tmpfs mdtest {tmp}", "umount {tmp}"),
    "link": ("ip link add {name}a type veth peer name {name}b", "ip link del {name}a"),
    "route": ("ip route add {route} dev lo", "ip route del {route}"),
    "network namespace": ("ip netns add {name}", "ip netns del {name}"),
    "cgroup": ("mkdir -p {cgroup2}/minidock-{name}/c1", "cd {cgroup2} && rmdir -p minidock-{name}/c1"),
    "loop device": ("truncate -s 1M {tmp}/d; losetup -f {tmp}/d", "losetup -d $(losetup -nOname -j {tmp}/d)"),
    "nft table": ("nft add table inet {name}", "nft delete table inet {name}"),
    "process": ("{orphan} sleep 60; until [ -s {tmp}/pid ]; do sleep 0.01; done", "kill $(cat {tmp}/pid)"),
}


# A program of a session of its own, whose environment alone says where it comes from.
ORPHAN = "MDTEST={tmp}/ setsid -f sh -c 'echo $$ >{tmp}/pid; exec \"$@\"' - </dev/null >/dev/null 2>&1"


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    cgroup2 = next(mount[1] for mount in mounts if mount[2] == "cgroup2")
    return {"tmp": str(tmp_path), "cgroup2": cgroup2, "orphan": ORPHAN.format(tmp=tmp_path), **NAMES}


@pytest.mark.parametrize("kind", MAKE_AND_UNDO)
def test_each_kind_of_leftover_is_named(kind: str, places: dict[str, str], session: Session) -> None:
    make, undo = (command.format(**places) for command in MAKE_AND_UNDO[kind])
    before = Snapshot()
    subprocess.run(make, shell=True, check=True)
    try:
        left = left_since(before, session, grace=0.1)
    finally:
        subprocess.run(undo, shell=True, check=True)
    assert kind in [thing[0] for thing in left]


def test_a_fork_that_lost_its_parent_is_still_ours(session: Session) -> None:
    before = Snapshot()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.setsid()
            os.close(writing)
            os.read(reading, 1)
        os._exit(0)
    os.waitpid(child, 0)
    left = left_since(before, session, grace=0.1)
    os.close(writing)
    assert "process" in [thing[0] for thing in left]


def test_what_ends_within_the_grace_is_no_leftover(places: dict[str, str], session: Session) -> None:
    before = Snapshot()
    subprocess.run(f"{places['orphan']} sleep 0.3", shell=True, check=True)
    assert left_since(before, session) == []


def test_the_bridge_and_the_table_may_stay(session: Session) -> None:
    before = Snapshot()
    had = (
        b"table ip minidock"
        in subprocess.run(["nft", "list", "tables"], capture_output=True, check=True).stdout
    )
    subprocess.run(["nft", "add", "table", "ip", "minidock"], check=True)
    left = left_since(before, session, grace=0.1)
    if not had:
        subprocess.run(["nft", "delete", "table", "ip", "minidock"], check=True)
    assert left == []


def test_a_mount_left_in_the_sessions_directory_is_detached(tmp_path: Path, session: Session) -> None:
    before = Snapshot()
    subprocess.run(["mount", "-t", "tmpfs", "mdtest", tmp_path], check=True)
    detach_mounts(left_since(before, session, grace=0), session)
    assert not tmp_path.is_mount()
