"""Directories that RUN --mount=type=cache keeps from build to build (reference, "RUN --mount=type=cache").

    build/mounts/<id>/content      the files
    build/mounts/<id>/lock         held by whoever has it: shared, or alone for sharing=locked and private
    build/mounts/<id>/mount.json   the id as the Dockerfile has it

With sharing=private, whoever finds it taken gets another one, <id>-1, <id>-2, ..., which stays as well.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable

from minidock import state
from minidock.build.run_mount_flag import RunMount
from minidock.named_tuple import NamedTuple

MOUNTS = ("build", "mounts")  # below the root
LOCK = "lock"


class Taken(NamedTuple):
    """A cache mount that is ours until `lock`, a descriptor, is closed. `content`: the directory to be seen."""

    content: str
    lock: int


def take(root: str, mount: RunMount, name: str, fill: Callable[[str], None]) -> Taken:
    """The directory of a cache mount; waits for it where it is `locked`.

    `name`: its id, or its target; `fill` puts into a new one what it is to begin with. Raises `OSError`.
    """
    owned = f"{mount.uid} {mount.gid} {mount.mode}"  # a cache of another owner is another one
    identity = hashlib.sha256(f"{name}\0{owned}".encode()).hexdigest()
    for number in itertools.count():
        directory = state.directory(root, *MOUNTS, f"{identity}-{number}" if number else identity)
        lock = _lock(directory, mount.sharing)
        if lock is not None:
            return _ready(directory, lock, mount, name, fill)
    raise AssertionError("counting has no end")


def _ready(directory: str, lock: int, mount: RunMount, name: str, fill: Callable[[str], None]) -> Taken:
    try:
        content = os.path.join(directory, "content")
        if not os.path.isdir(content):
            _make(content, mount, fill)
        state.write_json(os.path.join(directory, "mount.json"), {"id": name}, durable=False)
    except BaseException:
        os.close(lock)
        raise
    return Taken(content, lock)


def _lock(directory: str, sharing: str) -> int | None:
    """The lock of a mount that is there; None if it is to be private and somebody has it."""
    how = {"shared": fcntl.LOCK_SH, "locked": fcntl.LOCK_EX, "private": fcntl.LOCK_EX | fcntl.LOCK_NB}[sharing]
    while True:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        path = os.path.join(directory, LOCK)
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # a prune was quicker
            continue
        try:
            fcntl.flock(lock, how)
            if os.path.exists(path) and os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # pruned while we waited for it


def _make(content: str, mount: RunMount, fill: Callable[[str], None]) -> None:
    """A new one, whole or not at all. Two that share it may both be here: the second finds the first one's."""
    new = f"{content}.{os.getpid()}"
    shutil.rmtree(new, ignore_errors=True)
    os.mkdir(new)
    fill(new)
    os.chmod(new, 0o755 if mount.mode < 0 else mount.mode)
    os.chown(new, max(mount.uid, 0), max(mount.gid, 0))
    try:
        os.rename(new, content)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not os.path.isdir(content):
            raise
