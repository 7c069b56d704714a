"""The cache beyond this machine: --cache-to writes it, --cache-from reads it (docs.docker.com, "Cache backends").

A cache that is written is an image like any other, so that every registry takes it: its layers are those of the steps,
and its config has, beside what images have, one row for each step: the key, and which layer it came to. With
`type=inline` that is the image itself. The parts of a key stay here: they may be long, and are nobody else's.

Of a cache that is read, a layer is fetched when a step has its key, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minidock.build import image
from minidock.build.request import Place
from minidock.build.stage import Stage
from minidock.engine.images import push, remote_image
from minidock.errors import HostError, MinidockError, NotFoundError, message_of
from minidock.image import layout, reference
from minidock.image.digest import is_digest
from minidock.image.layer_cache import Cached, Layer
from minidock.image.registry.manifests import Blob
from minidock.image.store import Store
from minidock.image.store_writer import Ingest

MEMBER = "minidock.build.cache"  # of the config
Row = dict[str, Any]
Say = Callable[[str], None]


# Writing


def rows_of(stage: Stage) -> list[Row]:
    """The steps of a stage, each with its layer as it is now (`rewrite.py` may have changed it)."""
    made = zip(stage.steps, stage.layers[stage.inherited :], strict=True)
    return [_row(step._replace(layer=layer)) for step, layer in made]


def _row(step: Cached) -> Row:
    assert step.layer
    return {
        "key": step.key, "created": step.created, "seconds": step.seconds, "text": step.text,
        "layer": step.layer._asdict(),
    }  # fmt: skip


def of_all(stages: Iterable[Stage]) -> tuple[list[Layer], list[Row]]:
    """mode=max: (the layers of all steps, their rows), each once."""
    rows = {row["key"]: row for stage in stages for row in rows_of(stage)}
    layers = {row["layer"]["diff_id"]: Layer(**row["layer"]) for row in rows.values()}
    return list(layers.values()), list(rows.values())


def write(ingest: Ingest, place: Place, stages: Sequence[Stage], target: Stage, say: Say) -> None:
    """One --cache-to but inline, which is in the image. Raises `MinidockError`, unless it may fail."""
    if place.kind == "inline":
        return
    layers, rows = of_all(stages if place.all_stages else [target])
    empty = Stage({**target.image, "config": {}}, layers, target.scope.outer, "")
    made = image.make(ingest, empty, {}, 0, more={MEMBER: rows})
    try:
        if place.kind == "local":
            layout.write(ingest.store, place.where, made, [])
        else:
            push.push_image(ingest.store, made, reference.parse(place.where))
    except (MinidockError, OSError) as error:
        if not place.may_fail:
            raise (
                error if isinstance(error, MinidockError) else HostError(f"{place.where}: {message_of(error)}")
            ) from None
        say(f"WARNING: cache to {place.where}: {message_of(error)}")
    else:
        say(f"exporting cache to {place.where}: {len(rows)} steps")


# Reading


class Imported:
    """What was found in the places of --cache-from: steps by key, and where their layers are."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[Cached, Place]] = {}

    def add(self, place: Place, config: bytes) -> int:
        """The steps that a config names; how many there are. Raises `NotFoundError` if it has none."""
        try:
            listed = json.loads(config)[MEMBER]
            found = [_cached(row) for row in listed]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFoundError("no cache is in it: build it with --cache-to") from None
        for step in found:
            self._steps.setdefault(step.key, (step, place))
        return len(found)

    def get(self, key: str) -> Cached | None:
        """The step with this key."""
        found = self._steps.get(key)
        return found[0] if found else None

    def fetch(self, ingest: Ingest, key: str) -> str:
        """Have the layer of a step in the store; where it came from. Raises `MinidockError`."""
        step, place = self._steps[key]
        layer = step.layer
        assert layer
        if not (ingest.has_blob(layer.digest) and ingest.has_layer(layer.diff_id)):
            blob = Blob(layer.media_type, layer.digest, layer.size)
            if place.kind == "local":
                layout.fetch(ingest, layout.find(place.where), blob, layer.diff_id)
            else:
                remote_image.fetch_layer(ingest, reference.parse(place.where), blob, layer.diff_id)
        return place.where


def _cached(row: Mapping[str, Any]) -> Cached:
    layer = Layer(**row["layer"])
    if not (is_digest(layer.diff_id) and is_digest(layer.digest)):
        raise ValueError(layer.digest)
    created = str(row["created"])
    return Cached(str(row["key"]), {}, layer, created, created, float(row["seconds"]), str(row["text"]))


def read(root: str, places: Sequence[Place], say: Say) -> Imported:
    """Look into all places. One that cannot be read is told with `say(line)`, and missed."""
    imported = Imported()
    for place in places:
        try:
            count = imported.add(place, _config(root, place))
        except MinidockError as error:
            say(f"WARNING: cache from {place.where}: {error}")
        else:
            say(f"importing cache from {place.where}: {count} steps")
    return imported


def _config(root: str, place: Place) -> bytes:
    if place.kind == "local":
        return layout.find(place.where).config
    store = Store(root)
    name = reference.parse(place.where)
    try:
        found = store.resolve(str(name))
    except NotFoundError:
        return remote_image.describe(name).config
    if MEMBER not in found.config:  # the registry may have another
        return remote_image.describe(name).config
    return json.dumps({MEMBER: found.config[MEMBER]}).encode()
