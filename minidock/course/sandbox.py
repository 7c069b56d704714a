"""A machine within the machine, in which a student's program can break nothing.

What a check runs is root, and often wrong: it forgets MS_PRIVATE, mounts over /proc, leaves processes. So it runs in
namespaces of its own, over the machine's files, which are read-only there, with its own /dev, /run, /tmp and cgroup,
and its first process ends with us. That keeps mistakes from doing harm. It is no prison for a program that means harm:
it is root on this kernel, as the student is.

    this process                    waits; after the time limit, or when interrupted, kills all that is in the cgroup
      guard                         in the sandbox's cgroup; makes the namespaces
        first process, PID 1        mounts; runs the check (`task`); all orphans become its children

Sources: namespaces(7), pid_namespaces(7), mount_setattr(2), cgroups(7).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import prctl

from minidock.errors import HostError
from minidock.linux import cgroups, device_filter, loopback, syscalls, systemd
from minidock.linux.cgroups import Cgroup

HOSTNAME = "host"
GROUPS = "/sys/fs/cgroup"
PREFIX = "minidock-course-"
WORK = "/tmp/course"  # of the sandbox
CONTROLLERS = ("memory", "pids")
_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWCGROUP
)  # fmt: skip
_NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
# Any node may be made, but only these can be opened: those above, and terminals. The last rule that fits decides.
_DEVICE_RULES: list[dict[str, Any]] = [
    {"allow": True}, {"allow": False, "access": "rw"}, {"allow": True, "type": "c", "major": 136},
    *({"allow": True, "type": "c", "major": major, "minor": minor} for major, minor in [*_NODES.values(), (5, 2)]),
]  # fmt: skip
_EMPTY = ("/tmp", "/run", "/var/tmp")


def run(task: Callable[[], int], seconds: float) -> int | None:
    """Call `task` in a sandbox; returns its exit code, or None if it took more than `seconds`.

    Raises `HostError` if there can be no sandbox.
    """
    group = _make_group()
    sys.stdout.flush()
    guard = os.fork()
    if guard == 0:
        _leave(lambda: _guard(group, task))
    pidfd = os.pidfd_open(guard)
    try:
        in_time = bool(select.select([pidfd], [], [], seconds)[0])
        if in_time:
            return os.waitstatus_to_exitcode(os.waitpid(guard, 0)[1])
        return None
    finally:
        if group:
            group.kill()
        with suppress(ProcessLookupError, ChildProcessError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitpid(guard, 0)
        os.close(pidfd)
        if group:
            group.delete()


def _leave(work: Callable[[], int]) -> None:
    """Exit with what `work` returns; never go back into the caller's code."""
    code = 70
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _make_group() -> Cgroup | None:
    """A cgroup for all that the sandbox runs; None where there is no hierarchy of version 2."""
    top = cgroups.hierarchy()
    if top is None:
        return None
    if systemd.owns_the_tree():
        path = systemd.container_path("minidock.slice", f"course-{os.getpid()}")
        scope = systemd.scope_of(path)
        assert scope
        systemd.start_scope(scope, top)
        group = Cgroup(top + path)
        group.create(owned=top + scope)
    else:
        _remove_those_of_the_dead(top)
        group = Cgroup(f"{top}/{PREFIX}{os.getpid()}")
        group.create()
    with suppress(OSError):  # a kernel without such programs, or a root who may not load them
        device_filter.restrict(group, _DEVICE_RULES)
    return group


def _remove_those_of_the_dead(top: str) -> None:
    """Whoever was killed could not remove theirs."""
    for name in os.listdir(top):
        if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name.removeprefix(PREFIX)}"):
            with suppress(OSError):  # another is doing the same
                Cgroup(f"{top}/{name}").kill()
                Cgroup(f"{top}/{name}").delete()


def _guard(group: Cgroup | None, task: Callable[[], int]) -> int:
    """Enter the cgroup and the namespaces, and wait for the first process in them."""
    prctl.set_pdeathsig(signal.SIGKILL)
    if group:
        group.add(os.getpid())
    try:
        syscalls.unshare(_NAMESPACES)
    except PermissionError:
        raise HostError("a check needs root: sudo minidock course check ...") from None
    if group:
        _hand_down(group)
    first = os.fork()
    if first == 0:
        prctl.set_pdeathsig(signal.SIGKILL)
        _leave(lambda: _first(task, has_groups=group is not None))
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    return code if code >= 0 else 128 - code


def _hand_down(group: Cgroup) -> None:
    """Move out of the sandbox's top cgroup, so that it can hand controllers down (cgroups(7))."""
    leaf = Cgroup(f"{group.path}/check")
    os.mkdir(leaf.path)
    leaf.add(os.getpid())
    for controller in CONTROLLERS:
        if controller in cgroups.available(group.path):
            group.write("cgroup.subtree_control", f"+{controller}")


def _first(task: Callable[[], int], *, has_groups: bool) -> int:
    """Mount, and call `task`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    syscalls.mount(None, "/", None, syscalls.MS_PRIVATE | syscalls.MS_REC)
    _make_read_only()
    for place in _EMPTY:
        if os.path.isdir(place) and not os.path.islink(place):
            syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID, "mode=1777")
    for place in ("/dev", "/sys", "/proc"):
        _unmount(place)
    syscalls.mount("proc", "/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    syscalls.mount("sysfs", "/sys", "sysfs", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    if has_groups:
        syscalls.mount("cgroup2", GROUPS, "cgroup2", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    _make_dev()
    socket.sethostname(HOSTNAME)
    loopback.up()
    os.mkdir(WORK)
    os.chdir(WORK)
    return task()


def _make_read_only() -> None:
    tree = syscalls.open("/", syscalls.O_PATH | os.O_CLOEXEC)
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    os.close(tree)


def _unmount(place: str) -> None:
    """Take away all that is mounted there, one over the other, and what is below. It goes in this namespace only."""
    with suppress(OSError):  # EINVAL: nothing is mounted there any more
        while True:
            syscalls.umount2(place, syscalls.MNT_DETACH)


def _make_dev() -> None:
    """A /dev in which there is nothing of the machine's disks."""
    syscalls.mount("tmpfs", "/dev", "tmpfs", syscalls.MS_NOSUID, "mode=755")
    before = os.umask(0)
    for name, number in _NODES.items():
        os.mknod(f"/dev/{name}", 0o20666, os.makedev(*number))
    os.umask(before)
    for name, kind, data in (("pts", "devpts", "ptmxmode=666,mode=620"), ("shm", "tmpfs", "mode=1777")):
        os.mkdir(f"/dev/{name}")
        syscalls.mount(kind, f"/dev/{name}", kind, syscalls.MS_NOSUID | syscalls.MS_NOEXEC, data)
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")
