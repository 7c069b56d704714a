"""Namespaces: what makes a process see a machine of its own (book 3.1).

A namespace wraps one kind of global thing (mounts, process ids, the host name, ...) so that the processes inside see
a copy of their own. There are eight kinds. A process is in exactly one of each; `/proc/PID/ns/` shows which, and two
processes share a namespace when the inode numbers there are the same. See namespaces(7).
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.linux import syscalls

# The names are those of the OCI runtime specification; the values, of clone(2) and of /proc/PID/ns.
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
    """Move this process (for pid: its future children) into the namespace that `path` refers to."""
    fd = syscalls.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, FLAGS[kind])
    finally:
        os.close(fd)


def not_shared_with(pid: int, pidfd: int) -> list[str]:
    """The kinds in which process `pid` is in another namespace than this process: those that there are to join.

    Raises `FileNotFoundError` or `ProcessLookupError` if it has ended.
    """
    kinds = [kind for kind in supported() if identity(pid, kind) != identity("self", kind)]
    check_alive(pidfd)
    return kinds


def check_alive(pidfd: int) -> None:
    """Raise `ProcessLookupError` if the process has ended: what was just looked up by its number may be another's.

    A pidfd can be read from when its process has ended (pidfd_open(2)).
    """
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        raise ProcessLookupError(errno.ESRCH, "the process has ended")


def pid_of(pidfd: int) -> int:
    """The number of the process that a pidfd is of; -1 if it has ended and been waited for (pidfd_open(2))."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        return next(int(line[4:]) for line in file if line.startswith("Pid:"))


def join(pid: int, pidfd: int, kinds: list[str]) -> None:
    """Move this process into process `pid`'s namespaces of `kinds`; "/" is then the root of the mount namespace.

    One call does it all or nothing (setns(2) with a pidfd, Linux 5.8). An older kernel takes them one by one: the user
    namespace first, because it gives the right to the others, and the mounts last, because /proc goes with them.
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
    """Say which ids of the host the ids inside a new user namespace are: rows of (inside, outside, how many).

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
    """Have this thread in a process's namespace of `kind` (network, uts, ipc, cgroup) inside the `with` block."""
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
