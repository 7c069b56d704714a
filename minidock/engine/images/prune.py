"""`image prune`: remove images that nobody needs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from minidock.engine.events import event_log
from minidock.engine.images.image_users import has_layer, users_of
from minidock.errors import ConflictError, NotFoundError
from minidock.image.store import Store
from minidock.named_tuple import NamedTuple
from minidock.state import DamagedError

if TYPE_CHECKING:
    from minidock.image.image_filters import Filters


class Pruned(NamedTuple):
    """What a prune did: docker's lines about it, the bytes that it freed, and what has kept it from more."""

    lines: list[str]
    size: int
    warning: str


def prune_images(root: str, *, unused: bool, filters: Filters) -> Pruned:
    """Remove the images that have no name, or with `unused` all that no container uses; and what no image needs."""
    from minidock.image.garbage_collection import collect
    from minidock.image.image_filters import select

    store = Store(root)
    lines, size = [], 0
    for image, names in select(store, filters):
        if (names and not unused) or users_of(root, image):
            continue
        with suppress(ConflictError, NotFoundError):  # used, or removed, since it was listed
            collected = store.remove(image.id, partial(users_of, root, image), has_layer(root))
            event_log.emit_image(root, "delete", image.id)
            lines += [f"untagged: {name}" for name in names]
            lines += [f"deleted: {digest}" for digest in (image.id, *collected.layers)]
            size += collected.size
    warning = ""
    try:
        size += collect(root, has_layer(root)).size
    except DamagedError as error:
        warning = f"what no image needs was not deleted: {error}"
    event_log.emit(root, "image", "prune", "", reclaimed=size)
    return Pruned(lines, size, warning)
