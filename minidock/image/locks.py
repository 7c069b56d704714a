"""The locks below `<root>/locks`: flock(2) on files that stay, so that all agree which file is the lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.state import locked


@contextmanager
def lock(root: str, name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock called `name`. It is not reentrant: asking twice in one process waits for ever."""
    directory = os.path.join(root, "locks")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with locked(os.path.join(directory, name), shared=shared):
        yield


@contextmanager
def store_lock(root: str, *, shared: bool = False) -> Iterator[None]:
    """The store's lock: exclusive to change the index or delete content, shared to rely on content that is
    there."""
    with lock(root, "images", shared=shared):
        yield


@contextmanager
def content_lock(root: str, digest: str) -> Iterator[None]:
    """One lock per blob or layer: whoever had to wait finds the work done, and does not do it again."""
    with lock(root, digest.replace(":", "-")):
        yield
