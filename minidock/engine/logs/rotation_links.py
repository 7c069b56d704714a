"""`logs -f` while files are rotated: keep files that a reader has not yet read.

A container with a small max-size and much output can rotate its log thousands of times a second, faster than any reader
is woken. So a reader announces itself by a directory beside the log, on which it holds a flock:

    containers/<id>/followers/<reader>/<time>      a hard link to every file that was rotated since

The writer links a file there after its last write to it and before it renames it. The reader reads the links in order
and removes them, so a file's blocks stay allocated only while a reader needs them. Writer and readers do not wait for
each other: a stopped reader costs at most `_BACKLOG` bytes of disk, and gets a warning for what it has missed. The
directory of a reader that was killed has a free lock, and is removed.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

from minidock.linux.directory_trees import remove_tree

_BACKLOG = 256 << 20  # bytes
_LINKS = 4096
MISSED = "missed"  # a file beside the links: there was no room for more


def directory(log: str) -> str:
    """Where the readers of a log announce themselves."""
    return os.path.join(os.path.dirname(log), "followers")


def announce(log: str) -> tuple[str, int]:
    """Have what is rotated from now on kept for this process: the directory of the links, and its lock's descriptor.

    Raises `FileNotFoundError` if the container is gone.
    """
    with suppress(FileExistsError):
        os.mkdir(directory(log), 0o710)
    _living(log)  # those of readers that were killed go, also where nothing is ever rotated
    while True:
        path = os.path.join(directory(log), f"{os.getpid()}-{time.monotonic_ns()}")
        os.mkdir(path, 0o710)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # another process removed it before it was locked
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.path.isdir(path):
            return path, fd
        os.close(fd)


def links(path: str) -> list[str]:
    """The names of the links in a reader's directory, the oldest first, and `MISSED` behind them."""
    return sorted(os.listdir(path))


class RotationLinks:
    """The writer's side: keeps what is rotated for the readers of one log."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._links: dict[str, int] = {}  # made in a reader's directory since they were last counted

    def keep(self, size: int) -> bool:
        """Keep the log file for all readers: it is complete and about to be renamed. `size`: its bytes.

        Returns whether there are any.
        """
        readers = _living(self._log)
        for reader in readers:
            with suppress(OSError):  # whatever goes wrong here concerns a reader, and must not stop the writer
                self._link(reader, size)
        return bool(readers)

    def _link(self, path: str, size: int) -> None:
        missed = os.path.join(path, MISSED)
        if os.path.exists(missed):
            return  # the reader has not come by since, to read what there is
        count = self._links.get(path, 0) + 1
        if count > _LINKS or count * size > _BACKLOG:
            count = len(os.listdir(path)) + 1
        self._links[path] = count
        if count > _LINKS or count * size > _BACKLOG:
            os.close(os.open(missed, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        else:
            os.link(self._log, os.path.join(path, f"{time.monotonic_ns():020}"))


def _living(log: str) -> list[str]:
    """The directories of the readers that are there. Those of others are removed."""
    try:
        paths = [os.path.join(directory(log), name) for name in os.listdir(directory(log))]
    except FileNotFoundError:
        return []
    found = []
    for path in paths:
        with suppress(OSError):
            if not _removed(path):
                found.append(path)
    return found


def _removed(path: str) -> bool:
    """Remove the directory of a reader that is dead; False if it is alive.

    The lock is kept until it is gone: a reader that has just made it waits for the lock, and then sees that.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(path)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
