"""What builds keep, layers of steps and cache mounts, how much of the disk it takes, and how it goes.

Docker's reference, "docker builder prune" and "docker system df". A step whose layer an image has takes no space of its
own, and is kept unless all is to go.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress

from minidock import state
from minidock.build import known_digests
from minidock.build.cache_mounts import LOCK, MOUNTS
from minidock.engine.images import image_users
from minidock.errors import MinidockError
from minidock.image import garbage_collection, image_filters, layer_cache, layer_directories
from minidock.image.created_time import epoch_seconds
from minidock.image.image_filters import Filters
from minidock.linux.directory_trees import tree_size
from minidock.named_tuple import NamedTuple

FOR_PRUNE = ("id", "unused-for", "until")


class Kept(NamedTuple):
    """One thing that is kept. `size`: bytes, 0 if an image has the layer too (`shared`); `used`: seconds since 1970."""

    name: str
    size: int
    used: float
    shared: bool
    in_use: bool
    is_mount: bool
    description: str


class Pruned(NamedTuple):
    """What went, and the bytes that it took."""

    names: list[str]
    size: int


def kept(root: str) -> list[Kept]:
    """All that builds keep, what was used last at the end."""
    reachable = garbage_collection.reachable(root)
    found = [*_steps(root, reachable), *_mounts(root)]
    return sorted(found, key=lambda one: one.used)


def _steps(root: str, reachable: set[str]) -> Iterator[Kept]:
    counted: set[str] = set()
    for step in layer_cache.everything(root):
        layer = step.layer
        shared = bool(layer and layer.diff_id in reachable)
        size = 0
        if layer and not shared and layer.diff_id not in counted and layer_directories.has_layer(root, layer.diff_id):
            counted.add(layer.diff_id)
            size = layer_directories.layer_size(root, layer.diff_id) + layer.size
        yield Kept(
            step.key, size, epoch_seconds(step.used), shared, in_use=False, is_mount=False, description=step.text
        )


def _mounts(root: str) -> Iterator[Kept]:
    place = os.path.join(root, *MOUNTS)
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        path = os.path.join(place, name)
        lock = _locked(path)
        if lock is not None:
            os.close(lock)
        yield Kept(
            name,
            tree_size(os.path.join(path, "content")),
            os.stat(path).st_mtime,
            shared=False,
            in_use=lock is None,
            is_mount=True,
            description=f"cached mount {_id_of(path)}",
        )


def _id_of(path: str) -> str:
    """What a cache mount is called in the Dockerfile; "" if it is damaged, or not made yet."""
    try:
        return str(state.read_json(os.path.join(path, "mount.json")).get("id", ""))
    except (MinidockError, OSError):
        return ""


def select(rows: Iterable[Kept], wanted: Filters) -> list[Kept]:
    """Those that fit filters of `FOR_PRUNE`."""
    moments = [image_filters.moment(text) for name in ("until", "unused-for") for text in wanted.get(name, ())]
    before = min(moments, default=float("inf"))
    ids = tuple(wanted.get("id", ()))
    return [row for row in rows if row.used < before and (not ids or row.name.startswith(ids))]


def _locked(path: str) -> int | None:
    """The lock of a cache mount, held; None while a build has it."""
    fd = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def prune(root: str, wanted: Filters, *, everything: bool = False, keep: int = 0) -> Pruned:
    """Remove what no image has, or all; of that the longest unused first, until no more than `keep` bytes are there.

    A cache mount that a build has at this moment stays.
    """
    rows = kept(root)
    left = sum(row.size for row in rows)
    names: list[str] = []
    size = 0
    for row in select(rows, wanted):
        if row.in_use or (row.shared and not everything) or (keep and left <= keep):
            continue
        if not _remove(root, row):
            continue
        names.append(row.name)
        size += row.size
        left -= row.size
    known_digests.forget(root, everything=everything and not wanted)
    garbage_collection.collect(root, image_users.has_layer(root))
    return Pruned(names, size)


def _remove(root: str, row: Kept) -> bool:
    if not row.is_mount:
        layer_cache.remove(root, row.name)
        return True
    path = os.path.join(root, *MOUNTS, row.name)
    lock = _locked(path)
    if lock is None:
        return False
    try:
        with suppress(FileNotFoundError):  # first, so that nobody takes half of it for a cache if we are killed
            os.rename(os.path.join(path, "content"), os.path.join(path, "content.removed"))
        shutil.rmtree(path)
    finally:
        os.close(lock)
    return True
