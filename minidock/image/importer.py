"""Import: a tarball of a root file system becomes an image of one layer (OCI image spec, manifest.md,
config.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from minidock.errors import NotFoundError, UsageError
from minidock.image import config_changes, platform
from minidock.image.compression import CorruptArchive, Reader
from minidock.image.created_time import now
from minidock.image.digest import EMPTY_FILE
from minidock.image.media_types import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from minidock.image.platform import Platform
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image


def import_tarball(
    root: str,
    source: str | Reader,
    reference: Reference | None = None,
    changes: Iterable[str] = (),
    message: str = "",
    config: dict[str, Any] | None = None,
    made_for: Platform | None = None,
) -> Image:
    """Make an image of the tarball at path `source`, or of what the reader `source` gives.

    `config` is what the OCI config has under "config" (Env, Cmd, ...) before the Dockerfile instructions
    `changes` are applied. `made_for`: what machine the image is for, if not for this one. The tarball may be
    compressed with gzip, bzip2, xz or zstd. Raises `CorruptArchive`, `UnsafePath`, `UsageError` for a change that
    cannot be read, `HostError` for a full disk; nothing is left behind then.
    """
    settings = dict(config or {})
    config_changes.apply(changes, settings)
    if not isinstance(source, str):
        return _import(Store(root), source, reference, settings, message or "Imported from -", made_for)
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - closed by the with below
    except FileNotFoundError:
        raise NotFoundError(f"open {source}: no such file or directory") from None
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
    with file:
        return _import(Store(root), file, reference, settings, message or f"Imported from {source}", made_for)


def _import(
    store: Store,
    stream: Reader,
    name: Reference | None,
    config: dict[str, Any],
    message: str,
    made_for: Platform | None,
) -> Image:
    with Ingest(store) as ingest:
        diff_id, digest, size = ingest.put_layer(stream)
        if diff_id == EMPTY_FILE:
            raise CorruptArchive("the tarball is empty")
        image_config = _as_json(_image_config(diff_id, config, message, made_for))
        config_digest = ingest.put_bytes(image_config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": len(image_config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": size}],
        }
        return ingest.add_manifest(name, _as_json(manifest), MANIFEST_TYPE)


def _image_config(diff_id: str, config: dict[str, Any], message: str, made_for: Platform | None) -> dict[str, Any]:
    created = now()
    system, architecture, variant = made_for or ("linux", platform.host_architecture(), platform.host_variant())
    return {
        "created": created,
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        "os": system,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": created, "comment": message}],
    }


def _as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
