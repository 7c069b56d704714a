"""The locks below `<root>/locks`, by flock(2): the kernel lets go of them when their holder dies, however."""

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
    """One lock per blob or layer: whoever had to wait finds the work done, and does not do it again.

    There would be a file for every digest ever seen, so this one goes with its holder. Who waited for a file that is
    gone by then asks again, with the new file of that name.
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
    """Whether the file that was opened still has its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
