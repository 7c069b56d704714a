"""A container's lock (flock(2)): its monitor holds it for life, and before that the command that creates it."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from minidock.engine.container.record_file import REMOVING, DamagedRecordError, directory
from minidock.engine.container.records import GoneError, load
from minidock.errors import HostError, MinidockError
from minidock.linux import syscalls
from minidock.linux.timeouts import ActivityTimeout

_PATIENCE = 10.0  # seconds
_RESERVED = 32 << 10  # bytes that the lock file takes, for a record on a full disk


def take_lock(root: str, container_id: str) -> int | None:
    """Take a container's lock: its descriptor, to be kept open as long as the container lives; None if it is held.

    The file is created anew if it is missing: a container whose monitor may run counts as damaged then (`load`).
    Raises `GoneError` if the container is gone.
    """
    path = os.path.join(directory(root, container_id), "lock")
    create = 0 if container_id.startswith(REMOVING) else os.O_CREAT
    try:
        fd = os.open(path, os.O_RDWR | create | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise GoneError(container_id) from None
    except IsADirectoryError:
        raise DamagedRecordError(root, container_id, path, "no file to lock") from None
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def wait_for_lock(root: str, container_id: str, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Take a container's lock as soon as it is free, calling `meanwhile` again and again.

    Raises `GoneError` if the container is gone, `HostError` if its holder does not release it.
    """
    patience = ActivityTimeout(_PATIENCE, partial(_monitor_of, root, container_id))
    while (lock := take_lock(root, container_id)) is None:
        if patience.is_over:
            raise HostError(f"the monitor of container {container_id[:12]} does not answer: kill it, or try again")
        meanwhile()
        time.sleep(0.005)
    return lock


def _monitor_of(root: str, container_id: str) -> list[int]:
    """The monitor's process, according to the record."""
    with suppress(OSError, MinidockError):
        if record := load(root, container_id):
            return [record.data["state"].get("monitor") or 0]
    return []


def make_directory(root: str, container_id: str) -> int:
    """Make a new container's directory and return its lock, held. The caller holds `all_locked`."""
    path = directory(root, container_id)
    syscalls.mkdir(path, 0o710)
    fd = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    reserve(path, fd)
    return fd


def reserve(place: str, lock: int) -> None:
    """Have the files `lock` and `spare` in a container's directory take what its record needs on a full disk
    (`Record.save`): blocks, and an inode."""
    with suppress(OSError):  # full already: writing the record will fail
        os.posix_fallocate(lock, 0, _RESERVED)
        os.close(os.open(os.path.join(place, "spare"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
