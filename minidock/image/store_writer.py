"""Ingest: store content from an import, an archive or a registry.

    with Ingest(store) as ingest:
        ingest.put_blob(stream, digest)        unless ingest.has_blob(digest)
        ingest.unpack_blob(digest, diff_id)    for each layer
        ingest.add_manifest(name, manifest, MANIFEST_TYPE)

Only the last line makes an image of it; if it is never reached, what was stored is garbage for the next `rmi` or
`prune`. Inside the block they delete nothing that went through it (`workspace.py`). All methods may be called by
several threads at once.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

from minidock.image import blobs, layer_directories
from minidock.image.digest import of_bytes
from minidock.image.locks import content_lock, store_lock
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.image.workspace import Workspace

if TYPE_CHECKING:
    from minidock.image.compression import Reader


class Ingest:
    """Content that is being stored in `store`. Use as a context manager."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.workspace = Workspace(store.root)

    def __enter__(self) -> Ingest:
        self.workspace.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.workspace.__exit__()

    def has_blob(self, digest: str) -> bool:
        """Whether the blob is in the store; if so, it stays while the block runs."""
        return self._keep(digest) and self.store.has_blob(digest)

    def has_sound_blob(self, digest: str) -> bool:
        """`has_blob` for a manifest or config, whose digest is checked."""
        return self._keep(digest) and blobs.is_sound(self.store.images, digest)

    def has_layer(self, diff_id: str) -> bool:
        """Whether the layer is unpacked; if so, it stays while the block runs."""
        return self._keep(diff_id) and layer_directories.has_layer(self.store.root, diff_id)

    def blob_writer(self) -> blobs.BlobWriter:
        """A temporary file that is hashed as it is written; `publish` makes a blob of it."""
        return blobs.BlobWriter(os.path.join(self.workspace.path, f"blob-{os.urandom(8).hex()}"))

    def publish(self, writer: blobs.BlobWriter, expected: str | None = None) -> str:
        """Store what was written, and return its digest; `DigestMismatch` if that is not the expected one."""
        digest = writer.finish(expected)
        with store_lock(self.store.root, shared=True):
            self.workspace.keep(digest)
            blobs.publish(self.store.images, writer, digest)
        return digest

    def put_blob(self, stream: Reader, expected: str | None = None) -> str:
        """Store what `stream` gives; returns its digest; `DigestMismatch` if it is not the expected one."""
        writer = self.blob_writer()
        blobs.copy(stream, writer)
        return self.publish(writer, expected)

    def put_bytes(self, content: bytes) -> str:
        """Store a small blob, and return its digest."""
        digest = of_bytes(content)
        return digest if self.has_sound_blob(digest) else self.put_blob(BytesIO(content), digest)

    def unpack_blob(self, digest: str, diff_id: str) -> None:
        """Unpack the layer blob `digest`, unless its directory is there already."""
        from minidock.image import unpack_layers

        with content_lock(self.store.root, diff_id):
            if not self.has_layer(diff_id):
                with open(self.store.blob_path(digest), "rb", buffering=0) as file:
                    unpack_layers.unpack_in(self.workspace, unpack_layers.LayerSource(file), self.store.root, diff_id)

    def put_layer(self, stream: Reader) -> tuple[str, str, int]:
        """Store and unpack a layer (tar, bare or compressed) in one pass: its diff ID, blob digest and blob size."""
        from minidock.image import unpack_layers

        writer = self.blob_writer()
        diff_id = unpack_layers.unpack_in(self.workspace, unpack_layers.LayerSource(stream, writer), self.store.root)
        return diff_id, self.publish(writer), writer.size

    def add_manifest(
        self, name: Reference | None, content: bytes, media_type: str, also: Reference | None = None
    ) -> Image:
        """Store a manifest whose config and layers are in the store and unpacked, and make it an image of these names.

        Raises `HostError` if something that it needs is missing.
        """
        digest = self.put_bytes(content)
        return self.store.record(name, {"mediaType": media_type, "digest": digest, "size": len(content)}, also)

    def _keep(self, digest: str) -> bool:
        with store_lock(self.store.root, shared=True):
            self.workspace.keep(digest)
        return True
