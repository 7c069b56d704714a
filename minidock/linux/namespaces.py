"""Namespaces: a host name, process ids, mounts, a network and more of a process's own (book, chapter 1, 3.1).

A namespace wraps one kind of global resource, so that the processes in it have an instance of their own. There are
eight kinds. A process is in exactly one of each; `/proc/PID/ns/` shows which, and two processes share a namespace when
the inode numbers there are equal. See namespaces(7).
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.errors import HostError
from minidock.linux import syscalls

# The names are those of the OCI runtime specification; the values are flags of clone(2) and names in /proc/PID/ns.
FLAGS = {
    "mount": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "network": syscalls.CLONE_NEWNET,
    "uts": syscalls.CLONE_NEWUTS,
    "ipc": syscalls.CLONE_NEWIPC,
    "cgroup": syscalls.CLONE_NEWCGROUP,
    "user": syscalls.CLONE_NEWUSER,
    "time": syscalls.CLONE_NEWTIME,
}
PROC_NAMES = {"mount": "mnt", "network": "net"} | {name: name for name in FLAGS if name not in ("mount", "network")}


def supported() -> list[str]:
    """The kinds of namespaces that the running kernel has, by their OCI names."""
    return [kind for kind, name in PROC_NAMES.items() if os.path.exists(f"/proc/self/ns/{name}")]


def identity(pid: int | str, kind: str) -> int:
    """The inode number of the namespace of `kind` that process `pid` is in: equal numbers, same namespace."""
    return os.stat(f"/proc/{pid}/ns/{PROC_NAMES[kind]}").st_ino


def open_namespace(pid: int | str, kind: str) -> int:
    """A file descriptor of a process's namespace. It keeps the namespace alive, and setns(2) takes it."""
    return syscalls.open(f"/proc/{pid}/ns/{PROC_NAMES[kind]}", os.O_RDONLY | os.O_CLOEXEC)


def enter(path: str, kind: str) -> None:
    """Move this process into the namespace that `path` refers to; of kind pid, only its future children."""
    fd = syscalls.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, FLAGS[kind])
    finally:
        os.close(fd)


def not_shared_with(pid: int, pidfd: int) -> list[str]:
    """The kinds of namespaces that process `pid` does not share with this process, for `join`.

    Raises `FileNotFoundError` or `ProcessLookupError` if it has ended.
    """
    kinds = [kind for kind in supported() if identity(pid, kind) != identity("self", kind)]
    check_alive(pidfd)
    return kinds


def check_alive(pidfd: int) -> None:
    """Raise `ProcessLookupError` if the process has ended: its pid may have been given to another process since.

    A pidfd becomes readable when its process ends (pidfd_open(2)).
    """
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        raise ProcessLookupError(errno.ESRCH, "the process has ended")


def pid_of(pidfd: int) -> int:
    """The pid of the process that `pidfd` refers to; -1 if it has ended and been waited for (pidfd_open(2))."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        return next(int(line[4:]) for line in file if line.startswith("Pid:"))


def join(pid: int, pidfd: int, kinds: list[str]) -> None:
    """Move this process into process `pid`'s namespaces of `kinds`. Its root directory is then that of the mount
    namespace.

    One call joins all of them or none (setns(2) with a pidfd, Linux 5.8). An older kernel joins them one by one: the
    user namespace first, because it gives the right to join the others, and the mount namespace last, because /proc
    changes with it.
    """
    try:
        syscalls.setns(pidfd, sum(FLAGS[kind] for kind in kinds))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        ordered = sorted(kinds, key=lambda kind: (kind == "mount", kind != "user"))
        descriptors = [(open_namespace(pid, kind), kind) for kind in ordered]
        check_alive(pidfd)
        for fd, kind in descriptors:
            syscalls.setns(fd, FLAGS[kind])
            os.close(fd)


def write_id_maps(pid: int, uid_map: list[tuple[int, int, int]], gid_map: list[tuple[int, int, int]]) -> None:
    """Map ids in a new user namespace to ids of the host: rows of (first id inside, first id outside, number of ids).

    Each file can be written once (user_namespaces(7), "User and group ID mappings").
    """
    for name, rows in (("uid_map", uid_map), ("gid_map", gid_map)):
        text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in rows)
        fd = syscalls.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            syscalls.write(fd, text.encode())
        finally:
            os.close(fd)


def set_time_offsets(offsets: dict[str, dict[str, int]]) -> None:
    """Shift the clocks of the time namespace that the caller has just unshared (time_namespaces(7)).

    `offsets` maps "monotonic" and "boottime" to {"secs": ..., "nanosecs": ...}.
    """
    rows = [f"{clock} {value.get('secs', 0)} {value.get('nanosecs', 0)}\n" for clock, value in offsets.items()]
    fd = syscalls.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, "".join(rows).encode())
    finally:
        os.close(fd)


@contextmanager
def temporarily_in(pid: int | str, kind: str) -> Iterator[None]:
    """Run the `with` block with this thread in process `pid`'s namespace of `kind` (network, uts, ipc, cgroup)."""
    home = open_namespace("thread-self", kind)
    try:
        there = open_namespace(pid, kind)
        try:
            syscalls.setns(there, FLAGS[kind])
        finally:
            os.close(there)
        try:
            yield
        finally:
            syscalls.setns(home, FLAGS[kind])
    finally:
        os.close(home)


def set_sysctls(values: dict[str, str]) -> None:
    """Write kernel parameters. The engine allows only those that belong to a namespace (sysctl(8))."""
    for name, value in values.items():
        path = f"/proc/sys/{name.replace('.', '/')}"
        try:
            fd = syscalls.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise HostError(f"this kernel has no parameter {name}") from None
        try:
            syscalls.write(fd, value.encode())
        except OSError as error:
            raise HostError(f"the kernel refuses {value!r} for {name}: {os.strerror(error.errno or 0)}") from error
        finally:
            os.close(fd)


def setgroups_denied() -> bool:
    """Whether the creator of this user namespace was not allowed to choose groups (user_namespaces(7))."""
    with open("/proc/self/setgroups", "rb") as file:
        return file.read().strip() == b"deny"
