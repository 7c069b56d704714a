"""Garbage collection: delete blobs and layers that no image refers to.

What is in use is computed from the index each time; there are no counters that could be wrong after a crash.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from minidock.image import blobs, layer_cache, layer_directories
from minidock.image.digest import is_digest
from minidock.image.image_index import read_index
from minidock.image.locks import store_lock
from minidock.image.workspace import Workspace, kept
from minidock.named_tuple import NamedTuple
from minidock.observe import step


class Collected(NamedTuple):
    """What was deleted: diff IDs of layers, and the bytes of all deleted files and blobs."""

    layers: list[str]
    size: int


def collect(root: str, has_layer: Callable[[str], bool] = lambda path: False) -> Collected:
    """Delete what neither an image of the store at `root` nor a container needs. `has_layer`: whether a container uses
    a layer's path.

    Under the lock, the garbage is only renamed; deleting its files takes longer and needs no lock. Raises
    `DamagedError` if something cannot be read that may refer to what seems to be garbage: then nothing is deleted.
    """
    deleted, size = [], 0
    with step("Collect garbage"), Workspace(root) as workspace, store_lock(root):
        needed = reachable(root) | kept(root) | layer_cache.kept(root)
        blob_directory = os.path.join(root, "images", "blobs", "sha256")
        for name in _names(blob_directory):
            if f"sha256:{name}" not in needed:
                size += os.stat(os.path.join(blob_directory, name)).st_size
                os.rename(os.path.join(blob_directory, name), os.path.join(workspace.path, f"blob-{name}"))
        layer_directory = os.path.join(root, "layers")
        for name in sorted(_names(layer_directory)):
            diff_id = f"sha256:{name.removesuffix('.json')}"
            path = layer_directories.layer_path(root, diff_id)
            if is_digest(diff_id) and diff_id not in needed and not has_layer(path):
                # The directory comes before its .json, in which the size is.
                size += 0 if name.endswith(".json") else layer_directories.layer_size(root, diff_id)
                os.rename(os.path.join(layer_directory, name), os.path.join(workspace.path, f"layer-{name}"))
                deleted += [] if name.endswith(".json") else [diff_id]
    return Collected(deleted, size)


def reachable(root: str) -> set[str]:
    """The digests of all blobs, and the diff IDs of all layers, that the index refers to."""
    found: set[str] = set()
    for descriptor in read_index(os.path.join(root, "images")):
        _follow(os.path.join(root, "images"), descriptor, found)
    return found


def _follow(images: str, descriptor: Mapping[str, object], found: set[str]) -> None:
    """Add a descriptor and all that it refers to. An index of another tool may refer to manifests."""
    digest = descriptor.get("digest")
    if not is_digest(digest) or digest in found:
        return
    found.add(str(digest))
    content = blobs.read_sound(images, str(digest))
    for inner in content.get("manifests") or ():
        if os.path.exists(blobs.blob_path(images, inner["digest"])):  # those of other platforms are missing
            _follow(images, inner, found)
    found.update(layer["digest"] for layer in content.get("layers") or ())
    config = str((content.get("config") or {}).get("digest"))
    if is_digest(config):
        found.add(config)
        if content.get("layers"):
            rootfs = blobs.read_sound(images, config).get("rootfs") or {}
            found.update(rootfs.get("diff_ids") or ())


def _names(directory: str) -> list[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []
