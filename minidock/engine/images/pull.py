"""`pull`: fetch images from a registry, and report it in docker's words."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from minidock.engine.events import event_log
from minidock.engine.images.image_users import has_layer
from minidock.engine.images.registry_client import open_remote
from minidock.errors import MinidockError, NotFoundError
from minidock.image.reference import Reference
from minidock.image.registry.registry_settings import FindCredentials
from minidock.image.registry.transfer_progress import Progress
from minidock.image.store import Store
from minidock.image.stored_image import Image

if TYPE_CHECKING:
    from minidock.image.registry.remote import Remote


def pull(
    store: Store, name: Reference, progress: Progress, platform: str | None = None, keys: FindCredentials | None = None
) -> Image:
    """Fetch the image `name`, and tell `progress` in docker's words how it goes. `keys`: credentials, if not those
    that the user who runs this keeps."""
    with open_remote(keys) as remote:
        return _pull(store, name, remote, progress, platform)


def pull_all(
    store: Store, name: Reference, progress: Progress, platform: str | None = None, keys: FindCredentials | None = None
) -> list[Image]:
    """Fetch all tags of a repository."""
    with open_remote(keys) as remote:
        tags = remote.first(name, lambda repository: repository.tags())
        if not tags:
            raise NotFoundError(f"{name.familiar_name} has no tags")
        return [_pull(store, name._replace(tag=tag), remote, progress, platform) for tag in tags]


def _pull(store: Store, name: Reference, remote: Remote, progress: Progress, platform: str | None) -> Image:
    from minidock.image.registry.manifests import parse_platform
    from minidock.image.registry.pull_image import pull

    try:
        pulled = pull(store, name, remote, parse_platform(platform) if platform else None, progress)
    except Exception:  # but what a Ctrl-C has broken off may go on from there
        _delete_what_came(store)
        raise
    progress.say(f"Digest: {pulled.digest}")
    state = "Downloaded newer image for" if pulled.is_new else "Image is up to date for"
    progress.say(f"Status: {state} {name.familiar}")
    event_log.emit_image(store.root, "pull", name.familiar, pulled.image.labels, name.familiar_name)
    return pulled.image


def _delete_what_came(store: Store) -> None:
    """After a pull that failed: delete the blobs and layers that it brought, which no image will ever need."""
    from minidock.image.garbage_collection import collect

    with suppress(OSError, MinidockError):  # the pull's own error is the one to tell; a prune can do this too
        collect(store.root, has_layer(store.root))
