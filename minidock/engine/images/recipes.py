"""Build images on this machine from a recipe (`rootfs/`), where no registry can be reached."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from minidock.errors import EXIT_ENGINE, HostError
from minidock.image import reference
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.linux import rootless
from minidock.observe import step


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


def build(store: Store, name: Reference, recipe: str) -> Image:
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
            hint = f" (without root: sudo minidock save {name} | minidock load)" if rootless.is_on() else ""
            why = f"the recipe {recipe} for {name} failed: see its message above{hint}"
            raise HostError(why, exit_code=EXIT_ENGINE)
        config = {key: value for key, value in _settings(recipe).items() if key[:1].isupper()}
        return import_tarball(
            store.root, tarball, name, message=f"Built from the recipe {os.path.basename(recipe)}", config=config
        )
