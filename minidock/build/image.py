"""A finished stage as an image: its config and its manifest (OCI image spec, config.md and manifest.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from minidock.build.stage import Stage
from minidock.image.manifest_types import ImageManifest
from minidock.image.media_types import CONFIG_TYPE, MANIFEST_TYPE
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image


def make(
    ingest: Ingest,
    stage: Stage,
    labels: Mapping[str, str],
    epoch: int | None,
    *,
    more: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """Store the config and the manifest of a stage. It is an image once the index has it (`Ingest.add_manifest`).

    `more`: other members of the config, such as an inline cache; `annotations` of the manifest.
    """
    config = {key: value for key, value in stage.config.items() if value}
    if labels:
        config["Labels"] = {**(config.get("Labels") or {}), **labels}
    created = _at(epoch) if epoch is not None else stage.created
    history = [{**row, "created": created} for row in stage.history] if epoch is not None else stage.history
    content = {
        "created": created,
        **({"author": stage.author} if stage.author else {}),
        **stage.image,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in stage.layers]},
        "history": history,
        **(more or {}),
    }
    data = as_json(content)
    digest = ingest.put_bytes(data)
    manifest: ImageManifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest, "size": len(data)},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in stage.layers
        ],
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return Image(ingest.store.root, digest, ingest.put_bytes(as_json(manifest)), manifest, content)


def _at(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def as_json(content: object) -> bytes:
    """One form for the same content, so that the same is the same blob."""
    return json.dumps(content, separators=(",", ":")).encode()
