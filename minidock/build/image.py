"""A finished stage as an image: its config, its manifest, its names (OCI image spec, config.md and manifest.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from minidock.build.stage import Stage
from minidock.image.reference import Reference
from minidock.image.store import CONFIG_TYPE, MANIFEST_TYPE, Image
from minidock.image.store_writer import Ingest


def write(
    ingest: Ingest, stage: Stage, names: Sequence[Reference], labels: Mapping[str, str], epoch: int | None
) -> Image:
    """Make an image of a stage, under all `names`, or none."""
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
    }
    data = _json(content)
    digest = ingest.put_bytes(data)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest, "size": len(data)},
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in stage.layers
            ],
        }
    )
    images = [ingest.add_manifest(name, manifest, MANIFEST_TYPE) for name in names or (None,)]
    return images[0]


def _at(epoch: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
