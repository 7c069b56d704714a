"""Images come and go: pull, push, login, logout and search as a user of docker knows them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from minidock.engine.events import event_log
from minidock.engine.images.credentials import Keychain
from minidock.engine.images.image_users import has_layer
from minidock.engine.images.registry_config import registry_settings
from minidock.errors import MinidockError, NotFoundError, UsageError
from minidock.image import reference
from minidock.image.reference import Reference
from minidock.image.registry.progress import Progress
from minidock.image.registry.settings import HUB, Credentials, credentials_key
from minidock.image.registry.settings import Keychain as Lookup
from minidock.image.store import Store
from minidock.image.stored_image import Image

if TYPE_CHECKING:
    from minidock.image.registry.lookup import Described
    from minidock.image.registry.manifests import Blob
    from minidock.image.registry.remote import Remote
    from minidock.image.registry.search import Found
    from minidock.image.store_writer import Ingest


def pull(
    store: Store, name: Reference, progress: Progress, platform: str | None = None, keys: Lookup | None = None
) -> Image:
    """Fetch the image `name`, and tell `progress` in docker's words how it goes. `keys`: credentials, if not those
    that the user who runs this keeps."""
    with _remote(keys) as remote:
        return _pull(store, name, remote, progress, platform)


def pull_all(
    store: Store, name: Reference, progress: Progress, platform: str | None = None, keys: Lookup | None = None
) -> list[Image]:
    """Fetch all tags of a repository."""
    with _remote(keys) as remote:
        tags = remote.first(name, lambda repository: repository.tags())
        if not tags:
            raise NotFoundError(f"{name.familiar_name} has no tags")
        return [_pull(store, name._replace(tag=tag), remote, progress, platform) for tag in tags]


def _pull(store: Store, name: Reference, remote: Remote, progress: Progress, platform: str | None) -> Image:
    from minidock.image.registry.manifests import parse_platform
    from minidock.image.registry.pull import pull

    try:
        pulled = pull(store, name, remote, parse_platform(platform) if platform else None, progress)
    except Exception:  # but what a Ctrl-C has broken off may go on from there
        _forget_what_came(store)
        raise
    progress.say(f"Digest: {pulled.digest}")
    state = "Downloaded newer image for" if pulled.is_new else "Image is up to date for"
    progress.say(f"Status: {state} {name.familiar}")
    event_log.emit_image(store.root, "pull", name.familiar, pulled.image.labels, name.familiar_name)
    return pulled.image


def _forget_what_came(store: Store) -> None:
    """After a pull that failed: delete the blobs and layers that it brought, which no image will ever need."""
    from minidock.image.garbage_collection import collect

    with suppress(OSError, MinidockError):  # the pull's own error is the one to tell; a prune can do this too
        collect(store.root, has_layer(store.root))


def push(store: Store, name: Reference, progress: Progress, keys: Lookup | None = None) -> None:
    """Publish one tag."""
    from minidock.image.registry.push import push

    if name.digest:
        raise UsageError("cannot push a digest reference")
    with _remote(keys) as remote:
        progress.say(f"The push refers to repository [{name.name}]")
        pushed = push(store, name, remote, progress)
        progress.say(f"{name.tag}: digest: {pushed.digest} size: {pushed.size}")
    event_log.emit_image(store.root, "push", name.familiar, store.resolve(str(name)).labels, name.familiar_name)


def push_all(store: Store, name: Reference, progress: Progress, keys: Lookup | None = None) -> None:
    """Publish all tags that a repository has here."""
    names = [one for _, names in store.list() for one in names if one.name == name.name and one.tag]
    if not names:
        raise NotFoundError(f"An image does not exist locally with the tag: {name.familiar_name}")
    for one in sorted(names):
        push(store, one, progress, keys)


def push_image(store: Store, image: Image, name: Reference) -> None:
    """Publish an image that has no name here."""
    from minidock.image.registry.push import send

    with _remote() as remote:
        send(store, image, name, remote, Progress())


def describe(name: Reference) -> Described:
    """What a registry says of an image, without its layers."""
    from minidock.image.registry import lookup

    with _remote() as remote:
        return lookup.describe(name, remote)


def fetch_layer(ingest: Ingest, name: Reference, layer: Blob, diff_id: str) -> None:
    """Bring one layer of an image into the store, and unpack it."""
    from minidock.image.registry import lookup

    with _remote() as remote:
        lookup.fetch_layer(ingest, name, layer, diff_id, remote)


def registry_of(server: str | None) -> str:
    """The registry's name in what a user typed for `login`: `https://registry.lan/v2/` is registry.lan."""
    host = (server or HUB).removeprefix("https://").removeprefix("http://").partition("/")[0]
    if host in (HUB, "index.docker.io", "registry-1.docker.io"):
        return HUB
    reference.parse(f"{host}/image" if "." in host or ":" in host or host == "localhost" else f"{host}:443/image")
    return host


class Login(NamedTuple):
    """How a login went. `plain_file` is where the password now is, if no helper keeps it."""

    username: str
    plain_file: str


def login(registry: str, username: str, password: str) -> Login:
    """Check credentials with a registry and keep them. `Denied` if it does not know them."""
    return _login(registry, Credentials(username, password))


def login_again(registry: str, progress: Progress) -> Login | None:
    """Check the credentials that are kept for a registry; None if there are none, or they are no longer good."""
    from minidock.image.registry.failures import Denied

    known = Keychain()(credentials_key(registry))
    if known is None:
        return None
    progress.say("Authenticating with existing credentials...")
    try:
        return _login(registry, known)
    except Denied:
        return None


def check_login(registry: str, credentials: Credentials) -> Credentials:
    """What is to be kept of credentials that the registry knows, without keeping it. Raises `Denied`."""
    from minidock.image.registry.login import check
    from minidock.image.registry.remote import Remote

    with Remote(registry_settings(), lambda _: credentials) as remote:
        return check(remote, registry, credentials)


def distribution(name: Reference, keys: Lookup) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """(descriptor, platforms) of what a registry has under a name, without fetching it."""
    from minidock.image.registry.describe import described

    with _remote(keys) as remote:
        return remote.first(name, described)


def _login(registry: str, credentials: Credentials) -> Login:
    keychain, key = Keychain(), credentials_key(registry)
    kept = check_login(registry, credentials)
    keychain.store(key, kept)
    return Login(credentials.username, "" if keychain.is_encrypted(key) else keychain.path)


def logout(registry: str) -> bool:
    """Forget a registry's credentials; False if there were none."""
    return Keychain().erase(credentials_key(registry))


def search(term: str, limit: int, keys: Lookup | None = None) -> list[Found]:
    """Repositories on Docker Hub, or in the registry that `term` begins with."""
    from minidock.image.registry.search import search

    with _remote(keys) as remote:
        return search(remote, term, limit)


def _remote(keys: Lookup | None = None) -> Remote:
    from minidock.image.registry.remote import Remote

    return Remote(registry_settings(), keys or Keychain())
