"""Images looked at, named and removed."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.models import image_json as models
from minidock.api.models import pruned
from minidock.engine.container import recovery
from minidock.engine.images.prune import prune_images
from minidock.engine.images.rm import remove_image
from minidock.engine.images.tag import tag_image
from minidock.errors import NotFoundError
from minidock.image import image_filters
from minidock.image.store import Store
from minidock.image.stored_image import Image


def ls(call: Call) -> None:
    """GET /images/json."""
    wanted = image_filters.parse(call.filters(), image_filters.FOR_LISTS)
    if old := call.text("filter"):  # until 1.40
        wanted.setdefault("reference", []).append(old)
    call.json([models.summary(image, names) for image, names in image_filters.select(Store(call.root), wanted)])


def find(call: Call) -> Image:
    """The image that the path names. Raises `NotFoundError`, in docker's words."""
    try:
        return Store(call.root).resolve(call.name)
    except NotFoundError:
        raise NotFoundError(f"No such image: {call.name}") from None


def inspect(call: Call) -> None:
    """GET /images/NAME/json."""
    image = find(call)
    call.json(models.details(image, Store(call.root).references(image.id)))


def history(call: Call) -> None:
    """GET /images/NAME/history."""
    image = find(call)
    call.json(models.history(image, Store(call.root).references(image.id)))


def tag(call: Call) -> None:
    """POST /images/NAME/tag."""
    find(call)
    repository, wanted = call.text("repo"), call.text("tag")
    tag_image(call.root, call.name, f"{repository}:{wanted}" if wanted else repository)
    call.empty(201)


def remove(call: Call) -> None:
    """DELETE /images/NAME."""
    recovery.sweep_all(call.root)
    call.json(pruned.rows(remove_image(call.root, call.name, force=call.flag("force"))))


def prune(call: Call) -> None:
    """POST /images/prune."""
    wanted = image_filters.parse(call.filters(), image_filters.FOR_PRUNE)
    unused = image_filters.wants_unused(wanted, unused=False)
    recovery.sweep_all(call.root)
    found = prune_images(call.root, unused=unused, filters=wanted)
    call.json({"ImagesDeleted": pruned.rows(found.lines) or None, "SpaceReclaimed": found.size})
