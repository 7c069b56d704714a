"""Which containers use an image or a layer: what must not be deleted, whatever can be read of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

from minidock.engine.container.record_file import REMOVING, has_begun, may_have
from minidock.image.stored_image import Image


def in_use(root: str) -> dict[str, list[str]]:
    """Image ids, each with the ids of the containers made from it."""
    users: dict[str, list[str]] = {}
    for container, image, _ in _containers(root):
        users.setdefault(image, []).append(container)
    return users


def users_of(root: str, image: Image) -> list[str]:
    """The ids of the containers that are made from an image, or may be, as what is on record of them cannot be read."""
    return [
        container
        for container, image_id, _ in _containers(root)
        if image_id == image.id or (not image_id and any(may_have(root, container, path) for path in image.layer_paths))
    ]


def has_layer(root: str) -> Callable[[str], bool]:
    """A function that says whether a container has the layer at a path, or may have it."""
    known = list(_containers(root))
    paths = {path for _, _, layers in known for path in layers}
    ruins = [container for container, image, _ in known if not image]
    return lambda path: path in paths or any(may_have(root, container, path) for container in ruins)


def _containers(root: str) -> Iterator[tuple[str, str, list[str]]]:
    """Each container's id, its image's id and its layers' paths; nothing of both if its record is damaged."""
    directory = os.path.join(root, "containers")
    for container in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        place = os.path.join(directory, container)
        try:
            with open(os.path.join(place, "container.json"), encoding="utf-8") as file:
                content = json.load(file)
            yield container, str(content["image"]), list(content.get("layers", ()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if os.path.isdir(place) and has_begun(place) and not container.startswith(REMOVING):
                yield container, "", []
