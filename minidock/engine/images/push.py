"""`push`: publish images to a registry, and report it in docker's words."""

from __future__ import annotations

from minidock.engine.events import event_log
from minidock.engine.images.registry_client import open_remote
from minidock.errors import NotFoundError, UsageError
from minidock.image.reference import Reference
from minidock.image.registry.registry_settings import FindCredentials
from minidock.image.registry.transfer_progress import Progress
from minidock.image.store import Store
from minidock.image.stored_image import Image


def push_tag(store: Store, name: Reference, progress: Progress, keys: FindCredentials | None = None) -> None:
    """Publish one tag."""
    from minidock.image.registry.push_image import push

    if name.digest:
        raise UsageError("cannot push a digest reference")
    with open_remote(keys) as remote:
        progress.say(f"The push refers to repository [{name.name}]")
        pushed = push(store, name, remote, progress)
        progress.say(f"{name.tag}: digest: {pushed.digest} size: {pushed.size}")
    event_log.emit_image(store.root, "push", name.familiar, store.resolve(str(name)).labels, name.familiar_name)


def push_all(store: Store, name: Reference, progress: Progress, keys: FindCredentials | None = None) -> None:
    """Publish all tags that a repository has here."""
    names = [one for _, names in store.list() for one in names if one.name == name.name and one.tag]
    if not names:
        raise NotFoundError(f"An image does not exist locally with the tag: {name.familiar_name}")
    for one in sorted(names):
        push_tag(store, one, progress, keys)


def push_image(store: Store, image: Image, name: Reference) -> None:
    """Publish an image that has no name here."""
    from minidock.image.registry.push_image import send

    with open_remote() as remote:
        send(store, image, name, remote, Progress())
