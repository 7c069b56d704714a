"""`container prune`: remove containers that do not run, and count the bytes that they had written."""

from __future__ import annotations

from contextlib import suppress

from minidock.engine.container import records
from minidock.engine.container.rm import remove_container
from minidock.engine.events import event_log
from minidock.errors import ConflictError, HostError, NotFoundError
from minidock.image import image_filters
from minidock.image.created_time import epoch_seconds
from minidock.image.image_filters import Filters
from minidock.linux.directory_trees import tree_size
from minidock.named_tuple import NamedTuple

FOR_PRUNE = ("label", "label!", "until")


class Pruned(NamedTuple):
    """The ids of what was removed, and the bytes that it had written."""

    ids: list[str]
    size: int


def prune_containers(root: str, filters: Filters) -> Pruned:
    """Remove the containers that do not run, the newest first. Their volumes stay."""
    before = min(map(image_filters.moment, filters.get("until", ())), default=float("inf"))
    removed, size = [], 0
    for record in records.load_all(root):
        labels = record.data["config"]["labels"]
        is_young = epoch_seconds(record.data["created"]) >= before
        if not record.is_over or is_young or not image_filters.labels_fit(labels, filters):
            continue
        written = tree_size(record.path("upper"))
        with suppress(ConflictError, HostError, NotFoundError):  # started, or removed, since it was listed
            remove_container(root, record.id, force=False)
            removed.append(record.id)
            size += written
    if removed:
        event_log.emit(root, "container", "prune", "", reclaimed=size)
    return Pruned(removed, size)
