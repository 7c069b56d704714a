"""`tag`: give an image one more name."""

from __future__ import annotations

from minidock.engine.events import event_log
from minidock.errors import UsageError
from minidock.image import reference
from minidock.image.store import Store


def tag_image(root: str, source: str, target: str) -> None:
    """Give the image `source` another name. Raises `NotFoundError`, `UsageError` for a name with a digest."""
    name = reference.parse(target)
    if name.digest:
        raise UsageError("refusing to create a tag with a digest reference")
    if name.familiar_name == "sha256":  # or an id could not be told from it
        raise UsageError("refusing to create an ambiguous tag using digest algorithm as name")
    store = Store(root)
    image = store.resolve(source)
    store.tag(image, name)
    event_log.emit_image(root, "tag", image.id, image.labels, name.familiar)
