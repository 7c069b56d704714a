"""`volume prune`: remove volumes that no container has."""

from __future__ import annotations

from contextlib import suppress

from minidock.engine.events import event_log
from minidock.engine.volumes import rm, volumes
from minidock.engine.volumes.volume_filters import select
from minidock.errors import ConflictError, NotFoundError
from minidock.image.image_filters import Filters
from minidock.named_tuple import NamedTuple


class Pruned(NamedTuple):
    """The names of what was removed, and the bytes that were in it."""

    names: list[str]
    size: int


def prune_volumes(root: str, filters: Filters, *, named: bool) -> Pruned:
    """Remove the volumes that pass and that no container has; of those that were given a name only if `named`."""
    names, size = [], 0
    used = volumes.users(root)
    for volume in select(root, filters):
        if volume.damage or volume.name in used or not (named or volume.is_anonymous):
            continue
        volume_size = volumes.size(volume)
        with suppress(ConflictError, NotFoundError):  # taken by a container, or removed, since
            rm.remove_volume(root, volume.name)
            names.append(volume.name)
            size += volume_size
    event_log.emit(root, "volume", "prune", "", reclaimed=size)
    return Pruned(names, size)
