"""Fetch an image's manifest and config without its layers; and single layers, when they are needed."""

from __future__ import annotations

from minidock.errors import NotFoundError
from minidock.image.digest import DigestMismatch, of_bytes
from minidock.image.locks import content_lock
from minidock.image.reference import Reference
from minidock.image.registry import manifests
from minidock.image.registry.blob_download import fetch
from minidock.image.registry.manifests import INDEX_TYPES, Blob, Manifest
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import Repository
from minidock.image.store_writer import Ingest
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.named_tuple import NamedTuple


class Described(NamedTuple):
    """An image's manifest, and its configuration as it is stored."""

    manifest: Manifest
    config: bytes


def describe(name: Reference, remote: Remote) -> Described:
    """Raises `NotFoundError`, `RegistryUnreachable` or another `RegistryError`, `DigestMismatch`."""
    return remote.first(name, lambda repository: _describe(name, repository))


def _describe(name: Reference, repository: Repository) -> Described:
    document = repository.manifest(name.digest or name.tag or "")
    media_type = manifests.media_type_of(document.content, document.media_type, str(name))
    if media_type in INDEX_TYPES:
        chosen = manifests.choose(manifests.parse_index(document.content, str(name)), None, str(name))
        document = repository.manifest(chosen.digest)
        media_type = manifests.media_type_of(document.content, document.media_type, str(name))
    manifest = manifests.parse_manifest(document.content, media_type, str(name))
    answer = repository.blob(manifest.config.digest)
    config = repository.client.small_body(answer, MANIFEST_BYTES)
    if of_bytes(config) != manifest.config.digest:
        raise DigestMismatch(f"the config of {name} is not what the manifest promises: refused")
    return Described(manifest, config)


def fetch_layer(ingest: Ingest, name: Reference, layer: Blob, diff_id: str, remote: Remote) -> None:
    """Download one layer into the store, and unpack it."""

    def bring(repository: Repository) -> None:
        with content_lock(ingest.store.root, layer.digest):
            if not ingest.has_blob(layer.digest):
                fetch(repository, layer, ingest, lambda _: None)

    remote.first(name, bring)
    if not ingest.has_blob(layer.digest):
        raise NotFoundError(f"{name}: the layer {layer.digest} is not there")
    ingest.unpack_blob(layer.digest, diff_id)
