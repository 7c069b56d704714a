"""Paths that cannot lead astray: opening below a directory as if it were the root (openat2(2),
RESOLVE_IN_ROOT).

The usual way, cleaning a path and then opening it, loses against symbolic links: `a/b` is harmless text, and
leads to /etc if somebody made `a` a link to /. Here the kernel itself walks the path and treats the directory
as "/", so links and ".." end inside, whatever they say. It is what chroot(2) does, without changing the
process.
"""

from __future__ import annotations

import errno
import os

from minidock.linux import syscalls

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


def open_in_root(root: int, path: bytes, flags: int = DIRECTORY) -> int:
    """Open `path` below the directory `root`, links followed inside it; -1 if something on the way is missing."""
    while True:
        try:
            return syscalls.openat2(root, os.fsdecode(path) or ".", flags, 0, syscalls.RESOLVE_IN_ROOT)
        except FileNotFoundError:
            return -1
        except OSError as error:
            # openat2(2): EAGAIN if a rename elsewhere on the machine made a ".." uncertain; "the caller
            # should retry".
            if error.errno != errno.EAGAIN:
                raise
