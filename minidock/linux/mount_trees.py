"""Detached mount trees, known only by a descriptor: a container's files, seen from outside (open_tree(2)).

A copy of a tree of mounts needs no place in any mount namespace: paths are looked up below its descriptor, and when
that is closed, or its holder killed, the kernel frees all of it. So reading a container's files leaves nothing to clean
up, and the container cannot unmount what is being read.

The copy is made by a thread that enters the mount namespace: with a root and a working directory of its own
(unshare(2), CLONE_FS) it may do that, while its descriptors are those of the whole process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import mounts, namespaces, syscalls
from minidock.linux.syscalls import AT_RECURSIVE, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE


def of_process(pid: int, pidfd: int, without: Sequence[str] = ()) -> int:
    """All mounts of process `pid`'s mount namespace, without those on the paths `without` and below, as a descriptor.

    It begins at the namespace's root, wherever the process's root directory is. Raises `FileNotFoundError` or
    `ProcessLookupError` if the process has ended.
    """

    def copy() -> int:
        if without:
            _make_own_namespace()
        for path in without:
            try:
                syscalls.umount2(path, syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):  # nothing is mounted or there
                    raise
        return _clone("/", recursive=True)

    return _inside(pid, pidfd, copy)


def root_of_process(pid: int, pidfd: int) -> int:
    """The file system at the root of process `pid`'s mount namespace, without what is mounted on it."""
    return _inside(pid, pidfd, lambda: _clone("/", recursive=False))


def of_mounts(make: Callable[[], str]) -> int:
    """The tree that `make` mounts and whose path it returns. No other process sees the mounts, at any time."""

    def copy() -> int:
        _make_own_namespace()
        return _clone(make(), recursive=True)

    return _in_thread(copy)


def proc_of(namespace: int) -> int:
    """A proc file system that shows the process namespace of which `namespace` is a descriptor.

    A new one would show the namespace of the process that mounts it, which would have to be in there (the option
    "pidns" came with Linux 6.17). So it is a copy of the one at /proc of a process in there, without mounts that hide
    parts of it. Something else at that place is not taken: a proc file system shows its namespace by its process 1.
    Raises `HostError` if no process in there has one.
    """
    wanted, is_empty = os.fstat(namespace), True
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if not os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), wanted):
                continue
            there, is_empty = namespaces.open_namespace(pid, "mount"), False
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended; it may do more than we
            continue
        try:
            tree = _in_thread(lambda there=there: _clone_proc(there))  # type: ignore[misc]
        except (FileNotFoundError, NotADirectoryError):
            continue
        finally:
            os.close(there)
        if _shows(tree, wanted):
            return tree
        os.close(tree)
    if is_empty:
        raise HostError("the processes that were to be joined have ended", exit_code=EXIT_ENGINE)
    raise HostError(
        "no process of those to be joined has a /proc that shows its process namespace", exit_code=EXIT_ENGINE
    )


def _clone_proc(namespace: int) -> int:
    syscalls.setns(namespace, syscalls.CLONE_NEWNS)
    return _clone("/proc", recursive=False)


def _shows(tree: int, namespace: os.stat_result) -> bool:
    """Whether `tree` is a proc file system, and of that process namespace."""
    try:
        return syscalls.fstatfs_type(tree) == syscalls.PROC_SUPER_MAGIC and os.path.samestat(
            os.stat("1/ns/pid", dir_fd=tree), namespace
        )
    except OSError:  # it has no process 1 any more
        return False


def _inside(pid: int, pidfd: int, look: Callable[[], int]) -> int:
    namespace = namespaces.open_namespace(pid, "mount")
    try:
        namespaces.check_alive(pidfd)
    except ProcessLookupError:
        os.close(namespace)
        raise

    def go_in() -> int:
        syscalls.setns(namespace, syscalls.CLONE_NEWNS)
        return look()

    try:
        return _in_thread(go_in)
    finally:
        os.close(namespace)


def _make_own_namespace() -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_PRIVATE)


def _clone(path: str, *, recursive: bool) -> int:
    return syscalls.open_tree(path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0))


def _in_thread(look: Callable[[], int]) -> int:
    """Call `look` in a thread that may change its root directory and mount namespace."""
    import threading

    found: list[int] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_FS)
            found.append(look())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return found[0]
