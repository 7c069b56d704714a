"""What a registry has under a name: described, or fetched layer by layer, for builds and for docker's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidock.engine.images.registry_client import open_remote
from minidock.image.reference import Reference
from minidock.image.registry.registry_settings import FindCredentials

if TYPE_CHECKING:
    from minidock.image.registry.lookup import Described
    from minidock.image.registry.manifests import Blob
    from minidock.image.store_writer import Ingest


def describe(name: Reference) -> Described:
    """What a registry says of an image, without its layers."""
    from minidock.image.registry import lookup

    with open_remote() as remote:
        return lookup.describe(name, remote)


def fetch_layer(ingest: Ingest, name: Reference, layer: Blob, diff_id: str) -> None:
    """Bring one layer of an image into the store, and unpack it."""
    from minidock.image.registry import lookup

    with open_remote() as remote:
        lookup.fetch_layer(ingest, name, layer, diff_id, remote)


def distribution(name: Reference, keys: FindCredentials) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """(descriptor, platforms) of what a registry has under a name, without fetching it."""
    from minidock.image.registry.describe import described

    with open_remote(keys) as remote:
        return remote.first(name, described)
