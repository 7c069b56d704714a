"""OCI image layouts in directories of others: read one image of one, write one (OCI image spec, image-layout.md).

Named `PATH`, `PATH:TAG` or `PATH@DIGEST`, as skopeo and buildx name them. What is read is checked like what comes from
a registry: nothing in the directory is believed but what has its digest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from minidock.errors import NotFoundError, UsageError
from minidock.image.digest import hex_of, is_digest, of_bytes
from minidock.image.image_index import REF_NAME, read_index
from minidock.image.reference import Reference
from minidock.image.registry import manifests
from minidock.image.registry.manifests import INDEX_TYPES, Blob, Manifest
from minidock.image.save import index_of
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.named_tuple import NamedTuple
from minidock.state import write_bytes

_DEPTH = 4  # of indexes in indexes
_NAME = re.compile(r"(?P<path>.+?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))?")


class Found(NamedTuple):
    """One image of a layout: its manifest as it stands there and parsed, its configuration and diff IDs."""

    path: str
    content: bytes
    manifest: Manifest
    config: bytes
    diff_ids: list[str]

    def blob(self, digest: str) -> str:
        """The file of a blob."""
        return os.path.join(self.path, "blobs", "sha256", hex_of(digest))


def find(text: str) -> Found:
    """The image that `text` names. Raises `NotFoundError`, `RegistryError` for what is no image."""
    match = _NAME.fullmatch(text)
    path, digest, tag = (match["path"], match["digest"], match["tag"]) if match else (text, None, None)
    if not os.path.exists(os.path.join(path, "index.json")):
        raise NotFoundError(f"{path} is no OCI image layout: it has no index.json")
    descriptors = read_index(path)
    if digest:
        descriptors = [each for each in descriptors if each["digest"] == digest]
    elif tag:
        descriptors = [each for each in descriptors if _has_tag((each.get("annotations") or {}).get(REF_NAME), tag)]
    if not descriptors:
        raise NotFoundError(f"{path}: no image {digest or tag or 'at all'} in index.json")
    if len({each["digest"] for each in descriptors}) > 1:
        raise UsageError(f"{path} has several images: name one with :TAG or @DIGEST")
    return _image(path, descriptors[0]["digest"], descriptors[0].get("mediaType", ""))


def _has_tag(name: str | None, tag: str) -> bool:
    return name is not None and (name == tag or name.endswith(f":{tag}"))


def _image(path: str, digest: str, declared: str) -> Found:
    for _ in range(_DEPTH):
        content = _read(path, digest)
        media_type = manifests.media_type_of(content, declared, path)
        if media_type not in INDEX_TYPES:
            break
        digest, declared = manifests.choose(manifests.parse_index(content, path), None, path).digest, ""
    manifest = manifests.parse_manifest(content, media_type, path)
    config = _read(path, manifest.config.digest)
    diff_ids, _ = manifests.parse_config(config, manifest, path)
    return Found(path, content, manifest, config, diff_ids)


def _read(path: str, digest: str) -> bytes:
    try:
        with open(os.path.join(path, "blobs", "sha256", hex_of(digest)), "rb") as file:
            content = file.read()
    except OSError as error:
        raise NotFoundError(f"{path}: the blob {digest}: {error.strerror}") from error
    if not is_digest(digest) or of_bytes(content) != digest:
        raise UsageError(f"{path}: the blob {digest} is not what its name says: refused")
    return content


def fetch(ingest: Ingest, found: Found, layer: Blob, diff_id: str) -> None:
    """Bring a layer of a layout into the store, and unpack it. Raises `NotFoundError`, `DigestMismatch`."""
    if not ingest.has_blob(layer.digest):
        try:
            with open(found.blob(layer.digest), "rb", buffering=0) as file:
                ingest.put_blob(file, layer.digest)
        except FileNotFoundError:
            raise NotFoundError(f"{found.path}: the blob {layer.digest} is missing") from None
    ingest.unpack_blob(layer.digest, diff_id)


def read_image(ingest: Ingest, text: str) -> Image:
    """Bring the image that `text` names into the store, without a name."""
    found = find(text)
    for layer, diff_id in zip(found.manifest.layers, found.diff_ids, strict=True):
        fetch(ingest, found, layer, diff_id)
    ingest.put_bytes(found.config)
    return ingest.add_manifest(None, found.content, found.manifest.media_type)


def write(store: Store, path: str, image: Image, names: Sequence[Reference]) -> None:
    """Write an image whose blobs are in the store as the one image of a layout. What is in the way stays otherwise."""
    os.makedirs(os.path.join(path, "blobs", "sha256"), exist_ok=True)
    for digest in (image.manifest_digest, image.id, *(layer["digest"] for layer in image.manifest["layers"])):
        target = os.path.join(path, "blobs", "sha256", hex_of(digest))
        if not os.path.exists(target):
            _copy(store.blob_path(digest), target)
    write_bytes(os.path.join(path, "oci-layout"), b'{"imageLayoutVersion":"1.0.0"}')
    write_bytes(os.path.join(path, "index.json"), index_of([(image, list(names))]))


def _copy(source: str, target: str) -> None:
    import shutil

    temporary = f"{target}.{os.urandom(4).hex()}"
    try:
        shutil.copyfile(source, temporary)
        os.rename(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
