"""Save: images as one tar archive that docker, podman and skopeo take (book 1.3.5).

The archive is two things at once: an OCI image layout (OCI image spec, image-layout.md), and, through the file
manifest.json, a docker archive (moby: image/spec, "Combined Image JSON + Filesystem Changeset Format"). Blobs are there
once, as the store has them, so digests stay what they are. The same images give the same bytes.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from minidock.errors import HostError, NotFoundError, UsageError
from minidock.image import reference
from minidock.image.blobs import read_blob
from minidock.image.digest import hex_of
from minidock.image.image_index import REF_NAME
from minidock.image.manifest_types import Descriptor
from minidock.image.media_types import INDEX_TYPE, MANIFEST_TYPE
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.image.unpack_limits import MANIFEST_BYTES

_CHUNK = 256 << 10
IMAGE_NAME = "io.containerd.image.name"  # the whole name; docker keeps the tag alone in REF_NAME


def save_images(store: Store, names: Iterable[str]) -> Iterator[bytes]:
    """The archive, piece by piece. A name without a tag means all tags of the repository, an id an image without names.

    Raises `NotFoundError` before anything is given out. The images are safe from `rmi` while they are written.
    """
    chosen = _choose(store, names)
    with Ingest(store) as ingest:
        yield from archive(ingest, chosen)


def archive(
    ingest: Ingest, chosen: Sequence[tuple[Image, list[Reference]]], *, for_docker: bool = True
) -> Iterator[bytes]:
    """The archive of images whose blobs are in the store. `for_docker`: with docker's manifest.json."""
    digests = sorted({digest for image, _ in chosen for digest in _blobs(image)})
    for digest in digests:
        if not ingest.has_blob(digest):
            raise HostError(f"the store has lost the blob {digest}: pull or import the image again")
    yield _directory("blobs/") + _directory("blobs/sha256/")
    for digest in digests:
        yield from _blob(ingest.store, digest)
    yield _file("index.json", index_of(chosen))
    if for_docker:
        yield _file("manifest.json", _json(_docker_manifest(chosen)))
    yield _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield bytes(2 * tarfile.BLOCKSIZE)


def _choose(store: Store, names: Iterable[str]) -> list[tuple[Image, list[Reference]]]:
    """The images that are meant, each with the names under which it is saved."""
    chosen: dict[str, tuple[Image, list[Reference]]] = {}
    listed = store.list()
    for text in names:
        found = _tags(listed, text)
        if not found:
            image = store.resolve(text)
            is_id = image.id.startswith((text, f"sha256:{text}"))
            found = [(image, [] if is_id else [reference.parse(text)])]
        for image, references in found:
            known = chosen.setdefault(image.id, (image, []))[1]
            known += [name for name in references if name.tag and not name.digest and name not in known]
    return list(chosen.values())


def _tags(listed: list[tuple[Image, list[Reference]]], text: str) -> list[tuple[Image, list[Reference]]]:
    """The images with tags in the repository `text`, if that is what it is."""
    try:
        repository = reference.parse_untagged(text)
    except UsageError:
        return []
    if repository.tag or repository.digest:
        return []
    matching = [(image, [name for name in names if name.name == repository.name]) for image, names in listed]
    return [(image, names) for image, names in matching if any(name.tag for name in names)]


def _blobs(image: Image) -> list[str]:
    return [image.manifest_digest, image.id, *(layer["digest"] for layer in image.manifest["layers"])]


def index_of(chosen: Sequence[tuple[Image, list[Reference]]]) -> bytes:
    """The index.json of a layout with these images, each under its names."""
    listed: list[dict[str, object]] = []
    for image, names in chosen:
        plain = descriptor_of(image)
        named = [{IMAGE_NAME: name.canonical, REF_NAME: name.tag} for name in names]
        listed += [{**plain, "annotations": annotations} for annotations in named] or [{**plain}]
    return _json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed})


def descriptor_of(image: Image) -> Descriptor:
    """As the store's index has it; of an image that is in no index yet, what an index would have."""
    store = Store(image.root)
    try:
        return store.descriptor(image)
    except NotFoundError:
        size = len(read_blob(store.images, image.manifest_digest, MANIFEST_BYTES))
        media_type = image.manifest.get("mediaType") or MANIFEST_TYPE
        return {"mediaType": media_type, "digest": image.manifest_digest, "size": size}


def _docker_manifest(chosen: Sequence[tuple[Image, list[Reference]]]) -> list[dict[str, Any]]:
    return [
        {
            "Config": _path(image.id),
            "RepoTags": [name.familiar for name in names] or None,
            "Layers": [_path(layer["digest"]) for layer in image.manifest["layers"]],
        }
        for image, names in chosen
    ]


def _path(digest: str) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, size, 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _directory(name: str) -> bytes:
    return _header(name, tarfile.DIRTYPE, 0)


def _file(name: str, content: bytes) -> bytes:
    return _header(name, tarfile.REGTYPE, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _blob(store: Store, digest: str) -> Iterator[bytes]:
    with open(store.blob_path(digest), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        yield _header(_path(digest), tarfile.REGTYPE, size)
        while data := file.read(_CHUNK):
            yield data
        yield bytes(-size % tarfile.BLOCKSIZE)
