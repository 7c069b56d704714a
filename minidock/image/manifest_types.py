"""The JSON objects that travel through the store: descriptors and manifests, as types for a reader and mypy.

Fields are those of the OCI image spec (descriptor.md, manifest.md). Content from elsewhere is checked before it gets
these types (`blobs.py`, `image_index.py`, `registry/manifests.py`).
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Descriptor(TypedDict):
    """Names a blob: its digest (`sha256:` and 64 digits), its size in bytes, its media type."""

    mediaType: str
    digest: str
    size: int
    annotations: NotRequired[dict[str, str]]


class ImageManifest(TypedDict):
    """An image: its configuration and its layers, the lowest first."""

    schemaVersion: int
    mediaType: NotRequired[str]
    config: Descriptor
    layers: list[Descriptor]
    annotations: NotRequired[dict[str, str]]


# For an image that is not in the store, such as an unfinished stage of a build.
NO_MANIFEST: ImageManifest = {"schemaVersion": 2, "config": {"mediaType": "", "digest": "", "size": 0}, "layers": []}
