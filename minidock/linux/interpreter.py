"""The Python that runs us, as a program that nobody inside a container can write to or run (CVE-2019-5736).

Until a process that enters a container becomes the container's program, its /proc/PID/exe is the host's Python, and a
magic link (symlink(7)) leads from there to the file itself. Opened from inside and written to once nobody runs it, the
next minidock would be the attacker's; run from inside, with the container's libraries, it would be the attacker's at
once. Looking first whether a path leads there is no help, as paths are exchanged between the look and execve(2), and
the kernel opens interpreters of scripts and loaders of programs by paths of its own.

So whoever makes containers, or enters them, runs its Python from a mount that is in no tree and belongs to it alone:
the same file, so the same pages in memory, but on this mount it can only be read, and, once it runs, not be executed.
Whatever leads to /proc/PID/exe, by whatever race, leads to this mount.

The cost: two system calls of some 20 microseconds each, and the start of a Python of its own, 7 ms of processor time
in which the command that needs it does other work (`engine/monitor/spawn.py`). A sealed copy in memory (memfd, as
runc had it at first) protects as well, and costs 7 MB a container.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from minidock.linux import syscalls

_READ_ONLY = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
_INHERITED = "MINIDOCK_INTERPRETER"  # the variable that says which descriptor, for `reexecute`

# Python's flags for a helper: nothing of the caller's environment or directories counts, nothing is loaded unasked.
ALONE = ["-I", "-S"]


def open_private_mount() -> int:
    """A descriptor of the running Python's file on a mount of its own, read-only, for `execute`."""
    fd = syscalls.open_tree(sys.executable, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC)
    try:
        syscalls.mount_setattr(fd, _READ_ONLY)
    except BaseException:
        os.close(fd)
        raise
    return fd


def execute(fd: int, words: list[str], environment: dict[str, str]) -> NoReturn:
    """Become a Python from there, called with `words`, which inherits `fd`, for `forbid_execution`."""
    os.set_inheritable(fd, True)
    # Python finds its library by its own name (sys.executable), wherever it was executed from.
    syscalls.execve(f"/proc/self/fd/{fd}", [sys.executable, *words], environment)
    raise AssertionError("execve returned")


def forbid_execution(fd: int) -> None:
    """In that Python, before anything of a container is near: nobody can execute it (again) by its /proc/PID/exe."""
    try:
        syscalls.mount_setattr(fd, syscalls.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(fd)


def reexecute() -> None:
    """Have this whole program begin again from there; returns at once in the one that has."""
    if inherited := os.environ.pop(_INHERITED, ""):
        forbid_execution(int(inherited))
        return
    fd = open_private_mount()
    execute(fd, sys.orig_argv[1:], {**os.environ, _INHERITED: str(fd)})


def blank_arguments() -> None:
    """Blank what this process was called with, words and environment: /proc/PID/cmdline and environ show that memory.

    Python has copies for its own use. Where the memory lies: proc(5), /proc/PID/stat, from arg_start to env_end.
    """
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[48])
    ctypes.memset(start, 0, end - start)
