"""What a test could leave behind, read from the kernel's own lists.

A snapshot before and one after each test, and their difference is what the test left. Everything comes
from /proc, /sys and one netlink question, because this runs around every test and forking would cost more
than most tests do. Others on the machine are not seen: isolation.py has taken us away from them.
"""

import os
import re
import socket
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from pyroute2.nftables.main import NFTables

from minidock.linux import rtnetlink as links_of
from minidock.network import network_store

# Made by the first container that uses the default network of a root and kept for the next one, as docker0 is: that of
# the default root. The session's own root adds its own (tests/conftest.py).
kept_links = {"minidock0"}
KEPT_TABLE = "minidock"
# Docker's daemon, which is there for many tests, mounts its data root over itself at its first need.
DOCKER_ROOT = re.compile(r"/docker\d+/docker$")

GRACE = 10.0  # seconds: a monitor that was told to end may still be on its way out
POLL = 0.05

PF_KTHREAD = 0x0020_0000  # among a process's flags in /proc/PID/stat: a thread of the kernel (linux/sched.h)

Found = Counter[tuple[str, ...]]  # (kind, description...) and how often: mounts can be stacked


def read(path: str) -> bytes:
    """A file's content; empty when it went away meanwhile, as files in /proc do."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def is_ours(pid: int) -> bool:
    """Whether a process is in our cgroup or below it; in others' paths ".." leads out of it.

    Zombies are, if they are children of pytest itself: others have parents that may or may not be reaping. Threads of
    the kernel are not.
    """
    line = next((line for line in read(f"/proc/{pid}/cgroup").splitlines() if line.startswith(b"0::")), b"")
    if not line or line.startswith(b"0::/.."):
        return False
    state, ppid, *_, flags = status(pid)[:7]
    return not int(flags) & PF_KTHREAD and (state != "Z" or int(ppid) == os.getpid())


def status(pid: int) -> list[str]:
    """The state and what follows it in /proc/PID/stat, after a name that may hold anything; zeros if it is gone."""
    return read(f"/proc/{pid}/stat").rpartition(b")")[2].decode().split() or ["0"] * 7


def parent(pid: int) -> int:
    """The parent's pid; 0 when the process is gone."""
    return int(status(pid)[1])


def open_files(pid: int) -> list[str]:
    """What a process's descriptors lead to, sorted; those that it closes meanwhile are left out."""
    found = []
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(found)


def waits(pid: int) -> bool:
    """Whether a process sleeps in poll(2): it has seen to all that it was told up to now."""
    return b"poll" in read(f"/proc/{pid}/wchan")


def mounts() -> Found:
    """Mount points with file system and source (proc_pid_mountinfo(5))."""
    found: Found = Counter()
    for line in read("/proc/self/mountinfo").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fstype, source = after.split()[:2]
        where = before.split()[4]
        if not DOCKER_ROOT.search(where):
            found["mount", where, fstype, source] += 1
    return found


def links() -> Found:
    return Counter(("link", name) for name in os.listdir("/sys/class/net") if name not in kept_links)


def routes() -> Found:
    """IPv4 routes of the main table: interface, destination and gateway in the kernel's hexadecimal."""
    rows = [line.split()[:3] for line in read("/proc/net/route").decode().splitlines()[1:]]
    return Counter(("route", *row) for row in rows if row[0] not in kept_links)


def network_namespaces() -> Found:
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    return Counter(("network namespace", name) for name in names)


def cgroups() -> Found:
    """Directories below any cgroup called minidock*; that one itself stays once made."""
    found: Found = Counter()
    for tree in [key[1] for key in mounts() if key[2] == "cgroup2"]:
        for directory, _, _ in os.walk(tree):
            if any(part.startswith("minidock") for part in Path(directory).relative_to(tree).parent.parts):
                found["cgroup", directory] += 1
    return found


def loop_devices(directory: Path) -> Found:
    """Those with a file in `directory`: there are no namespaces of loop devices."""
    found: Found = Counter()
    for device in Path("/sys/block").glob("loop*/loop/backing_file"):
        file = read(str(device)).decode(errors="replace").strip()
        if file.startswith(f"{directory}/"):
            found["loop device", device.parts[3], file] += 1
    return found


def packet_filter_tables() -> Found:
    try:
        with NFTables(nfgen_family=socket.AF_UNSPEC) as netlink:
            answer = [(t["nfgen_family"], t.get_attr("NFTA_TABLE_NAME")) for t in netlink.get_tables()]
    except OSError:  # a kernel without nf_tables has none
        return Counter()
    return Counter(("nft table", str(family), name) for family, name in answer if name != KEPT_TABLE)


def pids() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


class Snapshot:
    """What there is at one moment; of loop devices, those whose files are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.things = loop_devices(directory)
        for look in (mounts, links, routes, network_namespaces, cgroups, packet_filter_tables):
            self.things.update(look())
        self.pids = pids()

    def added_since(self, before: "Snapshot") -> Found:
        """What is here and was not there."""
        added = self.things - before.things
        added.update(("process", str(pid)) for pid in self.pids - before.pids if is_ours(pid))
        return added


def describe(pid: int) -> str:
    """A process's arguments, or its name when it has none left, as a zombie has."""
    arguments = read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    name = read(f"/proc/{pid}/comm").decode(errors="replace").strip()
    return arguments or f"[{name}], a zombie"


def left_since(before: Snapshot, grace: float = GRACE) -> list[tuple[str, ...]]:
    """What stays of the difference through the whole grace period, described; empty when nothing does."""
    deadline = time.monotonic() + grace
    left = Snapshot(before.directory).added_since(before)
    while left and time.monotonic() < deadline:
        time.sleep(POLL)
        left &= Snapshot(before.directory).added_since(before)
    return [
        # Only now: between two looks a process may have called execve, and is still the same.
        (*thing, describe(int(thing[1]))) if thing[0] == "process" else thing
        for thing in sorted(left.elements())
    ]


def detach_mounts(left: list[tuple[str, ...]]) -> None:
    """Unmount what was left, before pytest clears the test's directory and what is in it."""
    for kind, where, *_ in left:
        if kind == "mount":
            subprocess.run(["umount", "--lazy", where], check=False)


def remove_default_network(root: str) -> None:
    """Delete the bridge of a root that ends. What is on record of it, the next who writes rules finds out."""
    name = network_store.default_interface(root)
    if links_of.exists(name):
        with links_of.Rtnetlink() as host:
            host.delete_link(name)
