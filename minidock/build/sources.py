"""What files are copied from: the context, another stage, an image; each opened as a `Tree`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from minidock.build.ignore import Patterns
from minidock.build.tree import Tree
from minidock.linux import overlay
from minidock.observe import step

_NOTHING = Patterns(())


def of_directory(path: str, ignored: Patterns, name: str) -> Tree:
    """A directory of the host's. Raises `OSError`."""
    return Tree(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), ignored, name)


def of_layers(paths: Sequence[str], name: str, place: str) -> Tree:
    """Layers (bottom to top) seen as one, mounted on `place`, an empty directory.

    The caller's mount namespace is the stage's own (`scheduler.py`): nobody else sees it, and it goes with the process.
    """
    if len(paths) <= 1:
        return of_directory(paths[0] if paths else place, _NOTHING, name)

    with step("Mount the layers that files are copied from", book="3.5.5"):
        overlay.mount_read_only(list(reversed(paths)), place)
    return of_directory(place, _NOTHING, name)
