"""What a new volume holds: the image's files at the place where it is first seen (docker: "volumes", populate).

The copy is made beside the volume's directory and then moved in, entry by entry. If minidock is killed before the copy
was complete, it is deleted; if after, the next container that uses the volume moves in the rest. So a volume never has
half an image.

    <root>/volumes/<name>/lock       held meanwhile
    <root>/volumes/<name>/_copying   a copy that is being made
    <root>/volumes/<name>/_copied    a copy that is complete, and on its way into _data
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidock import state
from minidock.engine.volumes import volume_mounts
from minidock.engine.volumes.volumes import Volume
from minidock.linux import copying, overlay, syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.named_tuple import NamedTuple
from minidock.observe import step


class Source(NamedTuple):
    """Something in an image; a directory is at all the `places`, topmost first, that are seen as one."""

    is_directory: bool
    places: list[str]


def find(layers: list[str], path: str) -> Source | None:
    """What an image's `layers` (bottom to top) have at `path`, if anything."""
    topmost_first = layers[::-1]
    names = overlay.resolve(topmost_first, path)
    if names is None:
        return None
    places = overlay.merged(topmost_first, names)
    return Source(bool(places), places)


def fill(volume: Volume, source: Source, holder: str) -> None:
    """Give `volume`, if there is nothing in it, the directory `source` of an image. `holder`: the container's id."""
    with state.locked(volume.path("lock")):
        if volume.options:
            _fill_mounted(volume, source, holder)
            return
        _finish(volume)
        if os.listdir(volume.mountpoint):
            return
        with step("Copy the image's files into the new volume", book="4.2.2"):
            remove_tree(volume.path("_copying"))
            syscalls.mkdir(volume.path("_copying"), 0o700)
            copying.copy_tree(source.places, volume.path("_copying"))
            syscalls.rename(volume.path("_copying"), volume.path("_copied"))
            _finish(volume)


def _fill_mounted(volume: Volume, source: Source, holder: str) -> None:
    """A volume with --opt is a file system of its own: nothing can be renamed into it, so the copy is made in place."""
    try:
        volume_mounts.mount(volume, holder)
        if not os.listdir(volume.mountpoint):
            copying.copy_tree(source.places, volume.mountpoint)
    finally:
        volume_mounts.unmount(volume, holder)


def finish(volume: Volume) -> None:
    """Move in the rest of a copy whose maker was killed on the way."""
    if os.path.exists(volume.path("_copied")):
        with state.locked(volume.path("lock")):
            _finish(volume)


def _finish(volume: Volume) -> None:
    copied = volume.path("_copied")
    with suppress(FileNotFoundError):
        status = os.lstat(copied)
        for name in os.listdir(copied):
            syscalls.rename(os.path.join(copied, name), os.path.join(volume.mountpoint, name))
        copying.copy_attributes(copied, volume.mountpoint, status)
        syscalls.rmdir(copied)
