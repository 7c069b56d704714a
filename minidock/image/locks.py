"""Locks below `<root>/locks`, by flock(2): the kernel releases them when their holder ends, however that happens."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.state import directory, locked


@contextmanager
def lock(root: str, name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock called `name`. It is not reentrant: asking twice in one process waits for ever."""
    with locked(os.path.join(_directory(root), name), shared=shared):
        yield


@contextmanager
def store_lock(root: str, *, shared: bool = False) -> Iterator[None]:
    """The store's lock: exclusive to change the index or delete content, shared to rely on content that is there."""
    with lock(root, "images", shared=shared):
        yield


@contextmanager
def content_lock(root: str, digest: str) -> Iterator[None]:
    """A lock for one blob or layer: a process that had to wait finds the work done, and does not repeat it.

    There would be a file for every digest ever used, so its holder removes it. A process that waited for a file that is
    removed by then opens the new one of that name.
    """
    path = os.path.join(_directory(root), digest.replace(":", "-"))
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_still(path, fd):
                try:
                    yield
                finally:
                    os.unlink(path)
                return
        finally:
            os.close(fd)


def _directory(root: str) -> str:
    return directory(root, "locks")


def _is_still(path: str, fd: int) -> bool:
    """Whether the opened file still has its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
