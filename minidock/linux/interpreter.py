"""Run Python from a private mount, on which a container can neither write nor execute it (CVE-2019-5736).

Until a process that enters a container executes the container's program, its /proc/PID/exe is the host's Python, and
that magic link (symlink(7)) leads to the file itself. A process inside could open it and, once nobody runs it,
overwrite it for the next start of minidock; or execute it with the container's libraries. Checking beforehand whether a
path leads there does not help: paths can be exchanged between the check and execve(2), and the kernel opens
interpreters of scripts and loaders of programs by paths of its own.

So processes that create or enter containers run Python from a mount that is in no tree and belongs to that process
alone: the same file, so the same pages in memory, but on this mount it can only be read, and, once it runs, not be
executed. Whatever leads to /proc/PID/exe, by whatever race, leads to this mount.

The cost: two system calls of some 20 microseconds each, and the start of another Python, 7 ms of processor time during
which the command does other work (`engine/monitor/spawn.py`). A sealed copy in memory (memfd, as in runc at first)
protects as well, and costs 7 MB for each container.
"""

from __future__ import annotations

import os
import sys

from minidock.linux import syscalls

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

_READ_ONLY = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
_INHERITED = "MINIDOCK_INTERPRETER"  # the environment variable with the descriptor, for `reexecute`

# Python's flags for a helper: it ignores the caller's environment and directories, and imports no site packages.
ALONE = ["-I", "-S"]


def open_private_mount() -> int:
    """A descriptor of the running Python's file on a private, read-only mount, for `execute`."""
    fd = syscalls.open_tree(sys.executable, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC)
    try:
        syscalls.mount_setattr(fd, _READ_ONLY)
    except BaseException:
        os.close(fd)
        raise
    return fd


def execute(fd: int, words: list[str], environment: dict[str, str]) -> NoReturn:
    """Execute that Python with the arguments `words`. It inherits `fd`, for `forbid_execution`."""
    os.set_inheritable(fd, True)
    # Python finds its library by argv[0], wherever it was executed from.
    syscalls.execve(f"/proc/self/fd/{fd}", [sys.executable, *words], environment)
    raise AssertionError("execve returned")


def forbid_execution(fd: int) -> None:
    """In that Python, before anything of a container can run: make /proc/PID/exe impossible to execute."""
    try:
        syscalls.mount_setattr(fd, syscalls.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(fd)


def reexecute() -> None:
    """Execute this whole program again from a private mount; returns at once if it runs from one already."""
    if inherited := os.environ.pop(_INHERITED, ""):
        forbid_execution(int(inherited))
        return
    fd = open_private_mount()
    execute(fd, sys.orig_argv[1:], {**os.environ, _INHERITED: str(fd)})


def blank_arguments() -> None:
    """Overwrite this process's arguments and environment, which /proc/PID/cmdline and environ show.

    Python has copies for its own use. The memory is from arg_start to env_end of /proc/PID/stat (proc(5)).
    """
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[48])
    ctypes.memset(start, 0, end - start)
