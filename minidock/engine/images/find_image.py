"""Find an image that a command needs: in the store, in a registry, or by building a recipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from minidock.engine.images.recipes import build, find_recipe
from minidock.errors import EXIT_ENGINE, MinidockError, NotFoundError
from minidock.image import reference
from minidock.image.locks import lock
from minidock.image.platform import check_system
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image

if TYPE_CHECKING:
    from minidock.image.registry.registry_settings import FindCredentials
    from minidock.image.registry.transfer_progress import Progress

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

    from minidock.engine.images import pull
    from minidock.engine.images.progress_display import Bars, Lines
    from minidock.image.registry import transfer_progress

    shown = transfer_progress.Progress() if say is None else Bars(sys.stderr) if sys.stderr.isatty() else Lines(say)
    try:
        with closing(shown):
            return pull.pull(store, name, shown, platform or None)
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
            return _fitting(build(store, name, recipe), str(name), platform)


def _is_here(store: Store, name: Reference) -> bool:
    try:
        store.resolve(str(name))
    except NotFoundError:
        return False
    return True


def pull_or_build(
    store: Store, name: Reference, progress: Progress, platform: str | None, keys: FindCredentials | None
) -> Image:
    """Pull an image as another user (`keys`); if no registry can be reached, build the recipe of that name, as `run`
    does. Raises `MinidockError`."""
    from minidock.engine.images import pull
    from minidock.image.registry.failures import RegistryUnreachable

    with lock(store.root, "fetch-" + name.canonical.replace("/", "_")):
        try:
            return pull.pull(store, name, progress, platform, keys)
        except RegistryUnreachable as error:
            recipe = find_recipe(name)
            if recipe is None or not _is_host(platform or "") or _is_here(store, name):
                raise
            progress.say(f"Building {name} from the recipe {os.path.basename(recipe)}: {error}")
            return build(store, name, recipe)
