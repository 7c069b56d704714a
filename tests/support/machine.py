"""What a test could leave behind on the machine, read from the kernel's own lists.

A snapshot before and one after each test, and their difference is what the test left. Everything comes
from /proc, /sys and one netlink question, because this runs around every test and forking would cost more
than most tests do.
"""

import os
import re
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

from pyroute2.nftables.main import NFTables

from minidock.linux import links as links_of
from minidock.network import store

# Made by the first container that uses the default network of a root and kept for the next one, as docker0 is: that of
# the default root. The session's own root adds its own (tests/conftest.py).
kept_links = {"minidock0"}
KEPT_TABLE = "minidock"
# Made by the first `ip netns add` after a boot, and kept by iproute2.
KEPT_MOUNT = "/run/netns"
# Docker's daemon, which is there for many tests, mounts its data root over itself at its first need.
DOCKER_ROOT = re.compile(r"/pytest-\d+/docker\d+/docker$")

GRACE = 3.0  # seconds: a monitor that was told to end may still be on its way out
POLL = 0.05

Found = Counter[tuple[str, ...]]  # (kind, description...) and how often: mounts can be stacked


class Session:
    """Tells this test session's processes from everybody else's on the machine.

    A process is ours when it descends from pytest, names the session's directory in its arguments,
    environment or mounts, or holds the file that only forks of pytest hold. The last finds a child that
    lost its parent and never called execve, which looks like pytest itself.
    """

    def __init__(self, directory: Path) -> None:
        self.tag = f"{directory}/".encode()
        name = f"minidock-tests-{os.getpid()}"
        self._memory = os.memfd_create(name)  # close-on-exec, so exec'd programs do not hold it
        self._link = f"/memfd:{name} (deleted)"

    def owns(self, pid: int) -> bool:
        return self._is_descendant(pid) or self._is_tagged(pid) or self._is_fork(pid)

    def _is_descendant(self, pid: int) -> bool:
        while pid > 1 and pid != os.getpid():
            pid = parent(pid)
        return pid == os.getpid()

    def _is_tagged(self, pid: int) -> bool:
        names = ["cmdline", "environ"]
        # In our own mount namespace the mounts say nothing of who one is.
        if mount_namespace(pid) != mount_namespace(os.getpid()):
            names.append("mountinfo")
        return any(self.tag in read(f"/proc/{pid}/{name}") for name in names)

    def _is_fork(self, pid: int) -> bool:
        try:
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
        except OSError:
            return False
        return self._link in links


def read(path: str) -> bytes:
    """A file's content; empty when it went away meanwhile, as files in /proc do."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def mount_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:  # gone, or a zombie
        return ""


def parent(pid: int) -> int:
    """The parent's pid from /proc/PID/stat; 0 when the process is gone. The name before may hold anything."""
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def mounts() -> Found:
    """Mount points with file system and source (proc_pid_mountinfo(5))."""
    found: Found = Counter()
    for line in read("/proc/self/mountinfo").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fstype, source = after.split()[:2]
        where = before.split()[4]
        if where != KEPT_MOUNT and not DOCKER_ROOT.search(where):
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


def loop_devices() -> Found:
    found: Found = Counter()
    for device in Path("/sys/block").glob("loop*/loop/backing_file"):
        found["loop device", device.parts[3], read(str(device)).decode(errors="replace").strip()] += 1
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
    """The machine at one moment."""

    def __init__(self) -> None:
        self.things: Found = Counter()
        for look in (
            mounts,
            links,
            routes,
            network_namespaces,
            cgroups,
            loop_devices,
            packet_filter_tables,
        ):
            self.things.update(look())
        self.pids = pids()

    def added_since(self, before: "Snapshot", session: Session) -> Found:
        """What is here and was not there; processes only where they are the session's own."""
        added = self.things - before.things
        for pid in self.pids - before.pids:
            if session.owns(pid):
                added["process", str(pid)] += 1
        return added


def describe(pid: int) -> str:
    """A process's arguments, or its name when it has none left, as a zombie has."""
    arguments = read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    name = read(f"/proc/{pid}/comm").decode(errors="replace").strip()
    return arguments or f"[{name}], a zombie"


def left_since(before: Snapshot, session: Session, grace: float = GRACE) -> list[tuple[str, ...]]:
    """What stays of the difference through the whole grace period, described; empty when nothing does.

    Only what every look finds counts: others who work on the same machine come and go meanwhile.
    """
    deadline = time.monotonic() + grace
    left = Snapshot().added_since(before, session)
    while left and time.monotonic() < deadline:
        time.sleep(POLL)
        left &= Snapshot().added_since(before, session)
    return [
        # Only now: between two looks a process may have called execve, and is still the same.
        (*thing, describe(int(thing[1]))) if thing[0] == "process" else thing
        for thing in sorted(left.elements())
    ]


def detach_mounts(left: list[tuple[str, ...]], session: Session) -> None:
    """Unmount what was left below the session's directory, before pytest clears it and what is in it."""
    for kind, where, *_ in left:
        if kind == "mount" and where.encode().startswith(session.tag):
            subprocess.run(["umount", "--lazy", where], check=False)


def remove_default_network(root: str) -> None:
    """Delete the bridge of a root that ends. What is on record of it, the next who writes rules finds out."""
    name = store.default_interface(root)
    if links_of.exists(name):
        with links_of.Rtnetlink() as host:
            host.delete_link(name)
