"""Images as a user knows them: found in the store, fetched, or built from a recipe; and who uses them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from minidock.engine.events import event_log
from minidock.engine.images.image_users import has_layer, users_of
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError, NotFoundError, UsageError
from minidock.image import reference
from minidock.image.locks import lock
from minidock.image.platform import check_system
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.observe import step
from minidock.state import DamagedError

if TYPE_CHECKING:
    from minidock.image.image_filters import Filters
    from minidock.image.registry.progress import Progress
    from minidock.image.registry.settings import Keychain

Say = Callable[[str], None]


class WrongPlatform(NotFoundError):
    """The image is here, but for another kind of machine than was asked for."""


def find_or_fetch(root: str, text: str, pull: str, say: Say | None, platform: str = "") -> Image:
    """The image that `text` means, with all its layers unpacked and made for this machine.

    `pull` is "missing" (look here first, then ask the registry, then look for a recipe), "always" (the
    registry and nothing else) or "never" (only look here). Progress goes to `say`, line by line, if given.
    `platform`: OS/ARCH[/VARIANT] of the image, where it is not to be this machine's. Raises `NotFoundError` with exit
    code 125, or what went wrong on the way.
    """
    store = Store(root)
    if pull == "always":
        return _ready(store, text, _pull(store, reference.parse(text), say, platform))
    try:
        return _ready(store, text, _fitting(store.resolve(text), text, platform))
    except NotFoundError as error:
        name = reference.parse(text)
        if pull == "never":
            why = str(error) if isinstance(error, WrongPlatform) else f"No such image: {name}"
            raise NotFoundError(why, exit_code=EXIT_ENGINE) from None
    if say:
        say(f"Unable to find image '{name}' locally")
    return _ready(store, text, _fetch(store, name, say, platform))


def _is_host(platform: str) -> bool:
    """Whether `platform` is this machine's, or none in particular."""
    from minidock.image.platform import host_architecture
    from minidock.image.registry.manifests import parse_platform

    return not platform or parse_platform(platform)[:2] == ("linux", host_architecture())


def check_platform(image: Image, text: str, platform: str) -> None:
    """Raise `NotFoundError` in docker's words, unless the image that is called `text` is for `platform`; '' is any."""
    _fitting(image, text, platform)


def _fitting(image: Image, text: str, platform: str) -> Image:
    """The image, if it is for `platform`. Raises `NotFoundError` in docker's words."""
    if platform:
        from minidock.image.registry.manifests import parse_platform

        wanted = parse_platform(platform)
        if image.platform[:2] != wanted[:2]:
            raise WrongPlatform(
                f"image with reference {text} was found but does not match the specified platform: "
                f"wanted {platform}, actual: {image.os}/{image.architecture}",
                exit_code=EXIT_ENGINE,
            )
    return image


@contextmanager
def held(root: str, image: Image) -> Iterator[None]:
    """Keep `image` from being removed inside the `with` block: time to put on record that a container uses it.

    Raises `NotFoundError` if it was removed since it was looked up.
    """
    store = Store(root)
    with store.lock(shared=True):
        if image.missing_layers or not store.has_blob(image.id):
            raise NotFoundError(f"No such image: {image.id}: it was removed just now", exit_code=EXIT_ENGINE)
        yield


def _ready(store: Store, text: str, image: Image) -> Image:
    """Check that the image is for this system, and unpack what is not unpacked yet."""
    check_system(text, image.platform)
    if image.missing_layers:
        from minidock.image.store_writer import Ingest

        with Ingest(store) as ingest:
            for layer, diff_id in zip(image.manifest["layers"], image.layers, strict=True):
                ingest.unpack_blob(layer["digest"], diff_id)
    return image


def _pull(store: Store, name: Reference, say: Say | None, platform: str) -> Image:
    from contextlib import closing

    from minidock.engine.images import pull_push
    from minidock.engine.images.progress_display import Bars, Lines
    from minidock.image.registry.progress import Progress as Silent

    shown = Silent() if say is None else Bars(sys.stderr) if sys.stderr.isatty() else Lines(say)
    try:
        with closing(shown) as progress:
            return pull_push.pull(store, name, progress, platform or None)
    except MinidockError as error:
        error.exit_code = EXIT_ENGINE  # to a container's user it was minidock that failed
        raise


def _fetch(store: Store, name: Reference, say: Say | None, platform: str) -> Image:
    """Ask the registry; if none can be reached, build the recipe of that name. The first of several does it for all."""
    from minidock.image.registry.failures import RegistryUnreachable

    with lock(store.root, "fetch-" + name.canonical.replace("/", "_")):
        try:
            return _fitting(store.resolve(str(name)), str(name), platform)
        except NotFoundError:
            pass
        try:
            return _pull(store, name, say, platform)
        except RegistryUnreachable as error:
            recipe = find_recipe(name)
            if recipe is None or not _is_host(platform):  # a recipe makes an image for this machine
                raise NotFoundError(f"No such image: {name}: {error}", exit_code=EXIT_ENGINE) from error
            if say:
                say(f"Building {name} from the recipe {recipe}/build.py: {error}")
            return _fitting(_build(store, name, recipe), str(name), platform)


def pull_or_build(
    store: Store, name: Reference, progress: Progress, platform: str | None, keys: Keychain | None
) -> Image:
    """Pull an image as another user (`keys`); if no registry can be reached, build the recipe of that name, as `run`
    does. Raises `MinidockError`."""
    from minidock.engine.images import pull_push
    from minidock.image.registry.failures import RegistryUnreachable

    with lock(store.root, "fetch-" + name.canonical.replace("/", "_")):
        try:
            return pull_push.pull(store, name, progress, platform, keys)
        except RegistryUnreachable as error:
            recipe = find_recipe(name)
            if recipe is None or not _is_host(platform or ""):
                raise
            progress.say(f"Building {name} from the recipe {os.path.basename(recipe)}: {error}")
            return _build(store, name, recipe)


# Recipes


def find_recipe(name: Reference) -> str | None:
    """The directory of the recipe that makes `name`: an official image's name, with tag `latest` or one it declares."""
    directory = os.path.join(_recipes(), name.path.removeprefix(reference.OFFICIAL_PREFIX))
    is_official = name.domain == reference.DEFAULT_DOMAIN and name.path.startswith(reference.OFFICIAL_PREFIX)
    if not is_official or name.digest or not os.path.isfile(os.path.join(directory, "build.py")):
        return None
    tags = (reference.DEFAULT_TAG, *_settings(directory).get("tags", ()))
    return directory if name.tag in tags else None


def _recipes() -> str:
    """Where the recipes are: MINIDOCK_RECIPES, beside the package in a checkout, or where pip put them."""
    if directory := os.environ.get("MINIDOCK_RECIPES"):
        return directory
    checkout = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "rootfs")
    if os.path.isdir(checkout):
        return os.path.normpath(checkout)
    import sysconfig  # here, as few come this far

    return os.path.join(sysconfig.get_path("data"), "share", "minidock", "rootfs")


def _settings(recipe: str) -> dict[str, Any]:
    """The recipe's image.json: Env, Cmd and WorkingDir of the OCI config, and `tags` beside `latest`."""
    with open(os.path.join(recipe, "image.json"), encoding="utf-8") as file:
        settings: dict[str, Any] = json.load(file)
    return settings


def _build(store: Store, name: Reference, recipe: str) -> Image:
    """Run the recipe's program and import the tarball that it makes."""
    from minidock.image.importer import import_tarball
    from minidock.image.workspace import Workspace
    from minidock.linux import programs

    with Workspace(store.root) as workspace:
        tarball = os.path.join(workspace.path, "rootfs.tar.gz")
        # Its standard output is not ours: whoever runs a container may be reading that.
        command = [sys.executable, os.path.join(recipe, "build.py"), "--output", tarball]
        with step("Build the image by its recipe", book="2.2.1"):
            done = programs.run(command, to=sys.stderr.fileno())
        if done.returncode:
            raise HostError(f"the recipe {recipe} for {name} failed: see its message above", exit_code=EXIT_ENGINE)
        config = {key: value for key, value in _settings(recipe).items() if key[:1].isupper()}
        return import_tarball(
            store.root, tarball, name, message=f"Built from the recipe {os.path.basename(recipe)}", config=config
        )


def tag(root: str, source: str, target: str) -> None:
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


# Removing


def remove(root: str, text: str, *, force: bool = False) -> list[str]:
    """Remove a name, and with its last name the image; the lines that docker prints about it.

    By id all names go, if they are of one repository or `force` is given. An image that a container uses
    stays, without a name if `force` is given. Raises `NotFoundError`, `ConflictError` (docker:
    daemon/images/image_delete.go).
    """
    store = Store(root)
    try:
        image = store.resolve(text)
    except NotFoundError:
        raise NotFoundError(f"No such image: {text}") from None
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


class Pruned(NamedTuple):
    """What a prune did: docker's lines about it, the bytes that it freed, and what has kept it from more."""

    lines: list[str]
    size: int
    warning: str


def prune(root: str, *, unused: bool, filters: Filters) -> Pruned:
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
