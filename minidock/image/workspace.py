"""Workspaces: directories in which content is written until it is complete, and which keep it from being deleted.

A workspace is a directory `<root>/tmp/<random>`, on the same file system as its destination so that rename(2) can
publish the result. Its creator holds an flock(2) on the directory as long as it lives. The kernel releases the lock
however the creator ends, so an unlocked workspace is garbage, which the next process that creates one removes. No pid
files, no timeouts.

A workspace is also a lease: while it is locked, the blobs and layers that it names (`keep`) are not garbage, though no
image refers to them yet. That protects a pull from an `rmi` at the same time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minidock.image.digest import hex_of
from minidock.linux.directory_trees import remove_tree
from minidock.observe import step
from minidock.state import directory

_KEEP = "keep-"


class Workspace:
    """A locked temporary directory below `root`; use as a context manager. `path` is the directory."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.parent = os.path.join(root, "tmp")
        self.path = ""
        self._fd = -1

    def __enter__(self) -> Workspace:
        directory(self.root, "tmp")
        _sweep(self.parent)
        while True:
            path = os.path.join(self.parent, os.urandom(8).hex())
            os.mkdir(path, 0o700)
            # Between mkdir and flock a sweeper may take the new directory for garbage: then make another one.
            with suppress(FileNotFoundError):
                self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX)
                    os.stat(path)
                except BaseException:
                    os.close(self._fd)
                    raise
                self.path = path
                return self

    def __exit__(self, *_: object) -> None:
        try:
            _remove(self.path)
        finally:
            os.close(self._fd)

    def keep(self, digest: str) -> None:
        """Protect the blob or layer of this digest from garbage collection as long as the workspace lives.

        Call it under the store's lock, and check whether the content exists afterwards, not before.
        """
        with open(os.path.join(self.path, _KEEP + hex_of(digest)), "wb"):
            pass


def sweep_root(root: str) -> None:
    """Remove the workspaces below `root` whose creators have ended."""
    _sweep(os.path.join(root, "tmp"))


def _sweep(parent: str) -> None:
    for name in _names(parent):
        path = os.path.join(parent, name)
        with _abandoned(path) as is_garbage:
            if is_garbage:
                _remove(path)


def _remove(path: str) -> None:
    """Remove a workspace. What cannot be removed now is left to the next sweep.

    No error is raised: what was made in it is published, or has failed with an error of its own.
    """
    with suppress(OSError), step("Remove the temporary directory"):
        remove_tree(path)


def kept(root: str) -> set[str]:
    """The digests that locked workspaces protect."""
    parent = os.path.join(root, "tmp")
    digests = set()
    for name in _names(parent):
        with _abandoned(os.path.join(parent, name)) as is_garbage:
            if not is_garbage:
                names = _names(os.path.join(parent, name))
                digests |= {f"sha256:{n.removeprefix(_KEEP)}" for n in names if n.startswith(_KEEP)}
    return digests


@contextmanager
def _abandoned(path: str) -> Iterator[bool]:
    """Whether no process holds the workspace at `path`; if so, it is locked inside the `with` block."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
