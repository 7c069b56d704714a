"""`rmi`: remove names of images, and images with their last name (docker: daemon/images/image_delete.go)."""

from __future__ import annotations

from contextlib import suppress

from minidock.engine.events import event_log
from minidock.engine.images.image_users import has_layer, users_of
from minidock.errors import ConflictError
from minidock.image import reference
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.state import DamagedError


def remove_image(root: str, text: str, *, force: bool = False) -> list[str]:
    """Remove a name, and with its last name the image; the lines that docker prints about it.

    By id all names go, if they are of one repository or `force` is given. An image that a container uses
    stays, without a name if `force` is given. Raises `NotFoundError`, `ConflictError` (docker:
    daemon/images/image_delete.go).
    """
    store = Store(root)
    try:
        image = store.resolve(text)
    except DamagedError:
        if not force:
            raise
        from minidock.image.garbage_collection import collect

        store.forget(text)
        with suppress(DamagedError):
            collect(root, has_layer(root))
        return [f"Untagged: {text}"]
    names = store.references(image.id)
    users = users_of(root, image)
    if _is_id(image, text):
        untagged = _all_names(image, names, users, force)
    else:
        untagged = _one_name(image, text, names, users, force)
    for name in untagged:
        store.untag(name)
        event_log.emit_image(root, "untag", image.id, image.labels)
    lines = [f"Untagged: {name}" for name in untagged]
    if len(untagged) < len(names) or (users and untagged):
        return lines
    collected = store.remove(image.id, lambda: users_of(root, image), has_layer(root))
    event_log.emit_image(root, "delete", image.id)
    return lines + [f"Deleted: {digest}" for digest in (image.id, *collected.layers)]


def _is_id(image: Image, text: str) -> bool:
    return image.id.startswith((text, f"sha256:{text}"))


def _all_names(image: Image, names: list[Reference], users: list[str], force: bool) -> list[Reference]:
    """What goes with an image that was named by its id."""
    conflict = f"conflict: unable to delete {_short(image.id)}"
    if users and not force:
        raise ConflictError(f"{conflict} (must be forced) - image is being used by container {users[0][:12]}")
    if users and not names:
        raise ConflictError(f"{conflict} (cannot be forced) - image is being used by container {users[0][:12]}")
    if not force and not _one_repository(names):
        raise ConflictError(f"{conflict} (must be forced) - image is referenced in multiple repositories")
    return names


def _one_name(image: Image, text: str, names: list[Reference], users: list[str], force: bool) -> list[Reference]:
    """What goes with a name: itself, and the digests of its repository when no tag of that is left."""
    if users and not force and _one_repository(names):
        raise ConflictError(
            f'conflict: unable to remove repository reference "{text}" (must force) - '
            f"container {users[0][:12]} is using its referenced image {_short(image.id)}"
        )
    wanted = reference.parse(text)
    name = next((n for n in names if n == wanted or (wanted.digest and n.digest == wanted.digest)), wanted)
    others = [n for n in names if n.name == name.name and n != name]
    if name.digest or any(n.tag for n in others):
        return [name]
    return [name, *others]


def _one_repository(names: list[Reference]) -> bool:
    """Whether there is one tag at most, digests aside."""
    return len(names) <= 1 or len([name for name in names if not name.digest]) == 1


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]
