"""The namespaces and the cgroup that the tests run in, so that they meet nobody else on the machine.

pytest, or each of pytest-xdist's workers, enters before the first test:

    network namespace   with nothing but `lo`: no addresses, ports, routes or packet filter of others
    mount namespace     with a /run and a /sys of its own; the rest is the machine's, seen as it was at the start
    cgroup namespace    whose root is a cgroup made for it, with every controller that the machine hands down

So several can run side by side, and beside a docker daemon, and what a test leaves behind is told by looking around.
Processes keep the machine's PID namespace, since pytest itself could not become a member of another; whether one is
ours is told by its cgroup. Where the whole machine is ours, as the second kernel is, MINIDOCK_TESTS_ISOLATION=machine
leaves everything as it is.

Sources: unshare(2), cgroup_namespaces(7), mount_namespaces(7); https://systemd.io/CGROUP_DELEGATION.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minidock.linux import cgroups, loopback, syscalls, systemd
from minidock.linux.cgroups import Cgroup

VARIABLE = "MINIDOCK_TESTS_ISOLATION"
PREFIX = "tests-minidock-"  # the name of our cgroup, up to the pid
CGROUPS = "/sys/fs/cgroup"


@dataclass(frozen=True)
class Isolation:
    """What is kept of the machine outside: its network, and the way back to where this process was."""

    network: int  # a descriptor of the network namespace
    cgroup: str  # ours, as a path that holds in here too
    home: int  # cgroup.procs of the cgroup that this process came from

    def outside(self, *command: str) -> list[str]:
        """A command line that runs `command` in the machine's network, with the internet where there is one."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.network}", *command]

    def leave(self) -> None:
        """Go back to the cgroup from which we came, and remove ours with whatever is still running in it."""
        os.write(self.home, b"0")
        ours = Cgroup(self.cgroup)
        ours.kill()
        if not self.cgroup.endswith(".scope"):  # that goes by itself, when systemd has seen that it is empty
            ours.delete()


def wanted() -> bool:
    return os.environ.get(VARIABLE) != "machine"


def enter() -> Isolation:
    """Isolate this process, its children to come and its threads to come. Raises `OSError`."""
    network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    top = cgroups.hierarchy()
    assert top, "the tests need cgroup v2: mount -t cgroup2 none /sys/fs/cgroup"
    came_from = cgroups.of_process(os.getpid()).path
    # The kernel looks at who has opened the file, and when: from within, nothing outside could be written to.
    home = os.open(f"{came_from}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    ours = _make_cgroup(top)
    outer = os.open(os.path.dirname(ours.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # What the process is in now is the root of what it will see.
    ours.add(os.getpid())
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWCGROUP)
    syscalls.mount(None, "/", None, syscalls.MS_PRIVATE | syscalls.MS_REC)
    loopback.up()
    _mount_sys(top)
    _mount_run()
    # A cgroup that hands controllers down holds no processes itself ("no internal processes", cgroups(7)).
    leaf = Cgroup(f"{top}/pytest")
    leaf.create()
    leaf.add(os.getpid())
    return Isolation(network, f"/proc/self/fd/{outer}/{os.path.basename(ours.path)}", home)


def _make_cgroup(top: str) -> Cgroup:
    """A cgroup for us: where systemd owns the tree it is a scope, of which systemd knows that it is not its own."""
    if systemd.owns_the_tree():
        path = systemd.container_path("minidock.slice", f"tests-{os.getpid()}")
        scope = systemd.scope_of(path)
        assert scope
        systemd.start_scope(scope, top)
        return Cgroup(f"{top}{scope}")
    _remove_cgroups_of_the_dead(top)
    ours = Cgroup(f"{top}/{PREFIX}{os.getpid()}")
    ours.create()
    return ours


def _remove_cgroups_of_the_dead(top: str) -> None:
    """Whoever was killed could not remove theirs."""
    for path in Path(top).glob(f"{PREFIX}*"):
        if not Path("/proc", path.name.removeprefix(PREFIX)).exists():
            with suppress(OSError):  # another is doing the same
                Cgroup(str(path)).kill()
                Cgroup(str(path)).delete()


def _mount_sys(top: str) -> None:
    """A sysfs shows the network namespace that it was mounted in; the cgroup trees move from the old one to the new."""
    trees = syscalls.open_tree(CGROUPS, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_RECURSIVE)
    syscalls.umount2("/sys", syscalls.MNT_DETACH)
    syscalls.mount("sysfs", "/sys", "sysfs", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    place = os.open(CGROUPS, syscalls.O_PATH | os.O_CLOEXEC)
    syscalls.move_mount(trees, place)
    os.close(place)
    os.close(trees)
    syscalls.umount2(top, syscalls.MNT_DETACH)
    syscalls.mount("cgroup2", top, "cgroup2", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)


def _mount_run() -> None:
    """A /run without the machine's sockets, locks and named network namespaces; without systemd, too.

    /run/netns is made a mount as the first `ip netns add` would do, and keep it.
    """
    syscalls.mount("tmpfs", "/run", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    for name in ("lock", "netns"):
        os.mkdir(f"/run/{name}")
    os.chmod("/run/lock", 0o1777)
    syscalls.mount("/run/netns", "/run/netns", None, syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.mount(None, "/run/netns", None, syscalls.MS_SHARED | syscalls.MS_REC)
