"""The build cache: the result of each step of a build, by a key made of all that it depends on.

    build/cache/<key>.json      one step: the parts of its key, the layer that it made (or none), when, how long

An entry keeps its layer, blob and directory, from being garbage (`garbage_collection.py`), until `builder prune`
removes it. A file that cannot be read counts as missing: the step runs again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from minidock import state
from minidock.image.digest import is_digest
from minidock.named_tuple import NamedTuple

_PLACE = ("build", "cache")
SCHEMA = 1
Parts = dict[str, Any]


class Layer(NamedTuple):
    """A layer of the store: the digest of its tar, that of its blob, the blob's size in bytes and its media type."""

    diff_id: str
    digest: str
    size: int
    media_type: str


class Cached(NamedTuple):
    """One step. `parts`: what its key is the hash of; `seconds`: how long it took; `used`: the last use (RFC 3339)."""

    key: str
    parts: Parts
    layer: Layer | None
    created: str
    used: str
    seconds: float
    text: str


def key_of(parts: Parts) -> str:
    """The key: SHA-256 of the parts, in hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def get(root: str, key: str) -> Cached | None:
    """The step with this key, if it has run before and its layer still exists."""
    from minidock.image import blobs, layer_directories

    found = _read(os.path.join(root, *_PLACE, f"{key}.json"))
    if found is None or found.key != key:
        return None
    if found.layer:
        blob = blobs.blob_path(os.path.join(root, "images"), found.layer.digest)
        if not (layer_directories.has_layer(root, found.layer.diff_id) and os.path.exists(blob)):
            return None
    return found


def read(root: str, key: str) -> Cached | None:
    """The entry of the step with this key, whether or not its layer still exists."""
    return _read(os.path.join(root, *_PLACE, f"{key}.json"))


def touch(root: str, key: str) -> None:
    """Record that the step was used now, by the time of its file."""
    with suppress(FileNotFoundError):
        os.utime(os.path.join(root, *_PLACE, f"{key}.json"))


def put(root: str, cached: Cached) -> None:
    """Store a step. It does not wait for the disk: after a power cut the entry may be missing or empty, which is the
    same.
    """
    directory = state.directory(root, *_PLACE)
    row = {"schemaVersion": SCHEMA, **cached._asdict(), "layer": cached.layer and cached.layer._asdict()}
    state.write_json(os.path.join(directory, f"{cached.key}.json"), row, durable=False, compact=True)


def everything(root: str) -> Iterator[Cached]:
    """All entries that can be read."""
    directory = os.path.join(root, *_PLACE)
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        if name.endswith(".json") and (found := _read(os.path.join(directory, name))):
            yield found


def remove(root: str, key: str) -> None:
    """Delete an entry. Its layer is garbage then, unless something else refers to it."""
    try:
        os.unlink(os.path.join(root, *_PLACE, f"{key}.json"))
    except FileNotFoundError:
        return


def kept(root: str) -> set[str]:
    """The digests of all blobs, and the diff IDs of all layers, that the cache refers to."""
    layers = [cached.layer for cached in everything(root) if cached.layer]
    return {digest for layer in layers for digest in (layer.diff_id, layer.digest)}


def _read(path: str) -> Cached | None:
    try:
        with open(path, encoding="utf-8") as file:
            row = json.load(file)
            touched = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.fstat(file.fileno()).st_mtime))
        layer = Layer(**row["layer"]) if row["layer"] else None
        if layer and not (is_digest(layer.diff_id) and is_digest(layer.digest)):
            return None
        created, text = (str(row[name]) for name in ("created", "text"))
        return Cached(row["key"], dict(row["parts"]), layer, created, touched, float(row["seconds"]), text)
    except (OSError, ValueError, KeyError, TypeError):
        return None
