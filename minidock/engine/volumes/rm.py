"""`volume rm`: remove volumes that no container has, each at once, however long its emptying takes."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Any

from minidock.engine.container import records
from minidock.engine.container.record_file import may_have
from minidock.engine.events import event_log
from minidock.engine.volumes.volume_mounts import detach
from minidock.engine.volumes.volumes import DRIVER, Volume, directory, locked, look, users
from minidock.errors import ConflictError, NotFoundError
from minidock.linux import syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.observe import step


def remove_volume(root: str, name: str, *, force: bool = False) -> None:
    """Remove a volume that no container has. `force`: what is not there is no failure.

    Raises `NotFoundError`, or `ConflictError` with docker's words for one that is in use.
    """
    with locked(root):
        volume = look(root, name)
        if volume is None:
            if force:
                return
            raise NotFoundError(f"get {name}: no such volume")
        if containers := users(root).get(name):
            raise ConflictError(f"remove {name}: volume is in use - [{', '.join(containers)}]")
        for ruin in records.damaged(root):
            if may_have(root, ruin.id, volume.mountpoint):
                raise ConflictError(f"remove {name}: volume may be in use: {ruin}")
        doomed = _take_away(volume)
        remover = os.open(doomed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(remover, fcntl.LOCK_EX)
    try:
        with step("Delete the volume's files", book="4.2.5"):
            remove_tree(doomed)  # which can take long, so without keeping others from their volumes
    finally:
        os.close(remover)
    event_log.emit(root, "volume", "destroy", name, driver=DRIVER)


def _take_away(volume: Volume) -> str:
    """From here on there is no such volume; the caller holds the lock. Returns the directory that is left to remove."""
    detach(volume.directory)  # what is mounted there is not the volume's own, and must not be emptied with it
    doomed = os.path.join(directory(volume.root), f".removing-{volume.name}-{os.urandom(4).hex()}")
    with step("Rename the unused volume", book="4.2.5"):
        syscalls.rename(volume.directory, doomed)
    return doomed


def remove_anonymous(root: str, points: list[dict[str, Any]]) -> None:
    """Remove those volumes of a container that is gone which were given no name; not those that another one has too."""
    for point in points:
        if point["type"] == "volume" and point["anonymous"]:
            with suppress(ConflictError):
                remove_volume(root, point["name"], force=True)
