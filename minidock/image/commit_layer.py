"""Commit: a container's changes become a layer, and with the layers of its image a new image (book, 3.5.4 and 4.5).

The layer is written by `layer_writer.py`; the config is that of the base image with one more layer and one more line of
history (OCI image spec, config.md).
"""

from __future__ import annotations

import json
from typing import Any

from minidock.errors import HostError
from minidock.image.compression import Reader
from minidock.image.created_time import now
from minidock.image.digest import EMPTY_LAYER
from minidock.image.media_types import DOCKER_LAYER_TYPE, DOCKER_MANIFEST_TYPE, LAYER_TYPE, MANIFEST_TYPE
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.named_tuple import NamedTuple


class Note(NamedTuple):
    """What the image's history says of this layer."""

    author: str
    created_by: str
    comment: str


def commit(base: Image, stream: Reader, config: dict[str, Any], note: Note, name: Reference | None) -> Image:
    """Create an image of `base` and the layer in `stream` (an uncompressed tar), called `name`.

    `config` is the configuration of its containers (the object under "config"). A layer without entries is left out, as
    in docker. Raises `HostError` if the base image is incomplete; then nothing is left behind.
    """
    with Ingest(Store(base.root)) as ingest:
        for descriptor, diff_id in zip(base.manifest["layers"], base.layers, strict=True):
            if not (ingest.has_blob(descriptor["digest"]) and ingest.has_layer(diff_id)):
                raise HostError(f"the image {base.id} is not complete any more: pull or build it again")
        diff_id, digest, size = ingest.put_layer(stream)
        is_empty = diff_id == EMPTY_LAYER
        image_config = _as_json(_image_config(base, config, note, [] if is_empty else [diff_id]))
        media_type = base.manifest.get("mediaType") or MANIFEST_TYPE
        layer_type = DOCKER_LAYER_TYPE if media_type == DOCKER_MANIFEST_TYPE else LAYER_TYPE
        layer = {"mediaType": layer_type, "digest": digest, "size": size}
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {**base.manifest["config"], "digest": ingest.put_bytes(image_config), "size": len(image_config)},
            "layers": [*base.manifest["layers"], *([] if is_empty else [layer])],
        }
        return ingest.add_manifest(name, _as_json(manifest), media_type)


def _image_config(base: Image, config: dict[str, Any], note: Note, diff_ids: list[str]) -> dict[str, Any]:
    created = now()
    line = {"created": created, **{key: value for key, value in note._asdict().items() if value}}
    if not diff_ids:
        line["empty_layer"] = True
    machine = ("architecture", "variant", "os", "os.version", "os.features")
    kept = {key: value for key, value in base.config.items() if key in machine}
    return {
        "created": created,
        **({"author": note.author} if note.author else {}),
        **kept,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [*base.layers, *diff_ids]},
        "history": [*(base.config.get("history") or []), line],
    }


def _as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
