"""`logs -f` while files are rotated: what a reader has not yet read is kept for it.

A container with a small max-size and much to say can rotate its log thousands of times a second, faster than any reader
is woken. So a reader announces itself by a directory beside the log, on which it holds a flock:

    containers/<id>/followers/<reader>/<time>      a hard link to every file that was rotated since

The writer links a file there after its last write to it and before it renames it. The reader reads the links in order
and removes them, so a file's blocks live as long as somebody needs them and no longer. Nobody waits for anybody: a
reader that is stopped costs disk up to `_BACKLOG`, and is told what it has missed. That of a reader that was killed is
known by its free lock, and removed.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

from minidock.engine import recovery

_BACKLOG = 256 << 20  # bytes
MISSED = "missed"  # a file beside the links: some are not there


def directory(log: str) -> str:
    """Where the readers of a log announce themselves."""
    return os.path.join(os.path.dirname(log), "followers")


def announce(log: str) -> tuple[str, int]:
    """Have what is rotated from now on kept for this process: the directory of the links, and its lock's descriptor."""
    while True:
        path = os.path.join(directory(log), f"{os.getpid()}-{time.monotonic_ns()}")
        os.makedirs(path, mode=0o710)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # a writer took us for dead before we had the lock
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.path.isdir(path):
            return path, fd
        os.close(fd)


def links(path: str) -> list[str]:
    """The names of the links in a reader's directory, the oldest first."""
    return sorted(name for name in os.listdir(path) if name != MISSED)


def keep(log: str, size: int) -> None:
    """Keep the log file for all readers: it is complete and about to be renamed. `size`: of such a file, in bytes."""
    try:
        readers = os.listdir(directory(log))
    except FileNotFoundError:
        return
    for reader in readers:
        path = os.path.join(directory(log), reader)
        # Whatever goes wrong here concerns a reader, and must not stop the writer.
        with suppress(OSError):
            if _is_dead(path):
                recovery.remove_tree(path)
            else:
                _link(log, path, size)


def _link(log: str, path: str, size: int) -> None:
    if len(os.listdir(path)) * size > _BACKLOG:
        os.close(os.open(os.path.join(path, MISSED), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    else:
        os.link(log, os.path.join(path, f"{time.monotonic_ns():020}"))


def _is_dead(path: str) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
