"""Describe an image in a registry without downloading it: its descriptor, and its platforms."""

from __future__ import annotations

import json
from typing import Any

from minidock.image.registry.manifests import INDEX_TYPES, parse_index, parse_manifest
from minidock.image.registry.repository import Repository


def described(repository: Repository) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """(OCI descriptor, platforms). Raises `RegistryError`, `NotFoundError`, ..."""
    name = repository.name
    document = repository.manifest(name.digest or name.tag or "latest")
    descriptor = {"mediaType": document.media_type, "digest": document.digest, "size": len(document.content)}
    if document.media_type in INDEX_TYPES:
        rows = [one.platform for one in parse_index(document.content, str(name))]
        return descriptor, [_platform(*row) for row in rows if row]
    manifest = parse_manifest(document.content, document.media_type, str(name))
    config = json.loads(repository.blob(manifest.config.digest).read(1 << 22))
    return descriptor, [_platform(config.get("os", ""), config.get("architecture", ""), config.get("variant", ""))]


def _platform(system: str, architecture: str, variant: str = "") -> dict[str, str]:
    return {"architecture": architecture, "os": system, **({"variant": variant} if variant else {})}
