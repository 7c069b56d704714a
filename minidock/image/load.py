"""Load: images from archives as docker, podman, skopeo, buildah, kaniko and others write them.

There are two kinds, distinguished by their content. An OCI layout has index.json, which refers to manifests. A docker
archive has manifest.json, which names config and layers by path; its manifest is written here. Newer versions of docker
write both in one: then index.json counts, since it keeps the digests, and manifest.json adds names.

The archive is a stream, with its files in any order, so they are stored until all have been read. Each is hashed while
it is read.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import Any

from minidock.errors import HostError, NotFoundError, UsageError, printable
from minidock.image import image_config, platform, reference
from minidock.image.blobs import BlobWriter
from minidock.image.compression import CorruptArchive, Reader
from minidock.image.digest import DigestMismatch, is_digest
from minidock.image.entries import components
from minidock.image.image_index import REF_NAME
from minidock.image.media_types import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, MANIFEST_TYPES
from minidock.image.pipeline import Pipeline
from minidock.image.platform import Platform
from minidock.image.reference import Reference
from minidock.image.save import IMAGE_NAME
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.image.tarstream import TarStream
from minidock.image.unpack_layers import LayerSource
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.named_tuple import NamedTuple
from minidock.state import DamagedError

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_INDEX_DEPTH = 4
_LINKS = 8  # in a row; docker's older archives have one


class Loaded(NamedTuple):
    """An image that was loaded: its names, and by name the id of the image that had it before."""

    image: Image
    names: list[Reference]
    replaced: dict[Reference, str]


def load_images(store: Store, stream: Reader, wanted: Platform | None = None) -> Iterator[Loaded]:
    """Load all images of an archive (bare, or compressed in any way), one after the other.

    `wanted`: of an image for several platforms, that for this one; one that is for another is refused.

    Raises `CorruptArchive` if it is none, `DigestMismatch` if something in it is not what it says.
    """
    with Ingest(store) as ingest:
        files = _Files(ingest, stream)
        found = list(_oci_images(files, wanted)) or list(_docker_images(files))
        if not found:
            raise CorruptArchive("the archive holds no image: neither index.json nor manifest.json names one")
        for item in found:
            yield _add(store, ingest, files, item, wanted)


class _Found(NamedTuple):
    """An image in the archive. `manifest` is a descriptor; an image of a docker archive has none."""

    names: list[Reference]
    manifest: dict[str, Any] | None
    config: str
    layers: list[str]


class _Files:
    """The files of an archive in a workspace, by path, and by digest for an OCI layout."""

    def __init__(self, ingest: Ingest, stream: Reader) -> None:
        self._ingest = ingest
        self._files: dict[str, BlobWriter] = {}
        self._links: dict[str, str] = {}
        source = LayerSource(stream)
        with Pipeline(source.chunks()) as chunks:
            archive = TarStream(chunks, source.limits)
            for entry in archive:
                path = _text(components(entry.name))
                if entry.issym():
                    self._links[path] = _text(components(posixpath.join(posixpath.dirname(path), entry.linkname)))
                elif entry.islnk():
                    self._links[path] = _text(components(entry.linkname))
                elif entry.isreg():
                    self._files[path] = writer = ingest.blob_writer()
                    for piece in archive.content(entry):
                        writer.write(piece)
                    writer.close()

    def __contains__(self, path: str) -> bool:
        return self._find(path) is not None

    def open(self, path: str) -> BlobWriter:
        """The file at `path`; `CorruptArchive` if it is missing."""
        found = self._find(path)
        if found is None:
            raise CorruptArchive(f"the archive is incomplete: {path!r} is missing")
        return found

    def bytes(self, path: str) -> bytes:
        """The content of the small file at `path`."""
        file = self.open(path)
        if file.size > MANIFEST_BYTES:
            raise CorruptArchive(f"{path!r} in the archive has more than {MANIFEST_BYTES} bytes")
        with open(file.path, "rb") as opened:
            return opened.read()

    def json(self, path: str) -> Any:
        """The content of the JSON file at `path`."""
        try:
            return json.loads(self.bytes(path))
        except (ValueError, RecursionError) as error:
            raise CorruptArchive(f"{path!r} in the archive is not JSON ({error})") from error

    def _find(self, path: str) -> BlobWriter | None:
        for _ in range(_LINKS):
            if path in self._files:
                return self._files[path]
            if path not in self._links:
                return None
            path = self._links[path]
        return None


def _text(parts: list[bytes]) -> str:
    return b"/".join(parts).decode("utf-8", "surrogateescape")


def _path(digest: Any) -> str:
    if not is_digest(digest):
        raise CorruptArchive(f"the archive names a blob {digest!r}, which is no sha256 digest")
    return "blobs/sha256/" + str(digest).removeprefix("sha256:")


def _digest(path: str) -> str:
    return "sha256:" + posixpath.basename(path)


# OCI layouts


def _oci_images(files: _Files, wanted: Platform | None) -> Iterator[_Found]:
    """The images that index.json refers to. An image with several names occurs once for each."""
    if "index.json" not in files:
        return
    with _shaped("index.json"):
        tags = {image.config: image.names for image in _docker_images(files)}
        found: dict[str, tuple[dict[str, Any], list[Reference]]] = {}
        for descriptor in files.json("index.json")["manifests"]:
            manifest = _chosen(files, descriptor, wanted, _INDEX_DEPTH)
            if manifest is not None:
                names = found.setdefault(manifest["digest"], (manifest, []))[1]
                names += _annotated(descriptor.get("annotations") or {})
        for manifest, annotated in list(found.values()):
            content = files.json(_path(manifest["digest"]))
            config = _path(content["config"]["digest"])
            names = list(dict.fromkeys(annotated + tags.get(config, [])))
            yield _Found(names, manifest, config, [_path(layer["digest"]) for layer in content["layers"]])


def _chosen(files: _Files, descriptor: dict[str, Any], wanted: Platform | None, depth: int) -> dict[str, Any] | None:
    """The manifest that a descriptor refers to; of an index, the wanted one, this machine's, or the first in the
    archive.
    """
    if descriptor.get("mediaType") in MANIFEST_TYPES:
        return descriptor if _path(descriptor["digest"]) in files else None
    if descriptor.get("mediaType") not in _INDEX_TYPES or _path(descriptor["digest"]) not in files or not depth:
        return None
    inner = [
        d
        for d in files.json(_path(descriptor["digest"]))["manifests"]
        if "vnd.docker.reference.type" not in (d.get("annotations") or {})  # an attestation about an image
    ]
    architecture = wanted.architecture if wanted else platform.host_architecture()
    inner.sort(key=lambda d: (d.get("platform") or {}).get("architecture") != architecture)
    return next((found for d in inner if (found := _chosen(files, d, wanted, depth - 1))), None)


def _annotated(annotations: dict[str, str]) -> list[Reference]:
    """The name in annotations: docker's, or that of the OCI, which may be only a tag."""
    text = annotations.get(IMAGE_NAME) or annotations.get(REF_NAME) or ""
    if text == reference.DEFAULT_TAG:
        return []
    return _parsed([text])


def _parsed(texts: list[str]) -> list[Reference]:
    names = []
    for text in texts:
        try:
            names.append(reference.parse(text))
        except UsageError:
            continue  # a name that docker's grammar does not have; the image is loaded without it
    return names


# Docker archives


def _docker_images(files: _Files) -> Iterator[_Found]:
    """The images that manifest.json lists."""
    if "manifest.json" not in files:
        return
    with _shaped("manifest.json"):
        for item in files.json("manifest.json"):
            layers = [_clean(layer) for layer in item["Layers"] or ()]
            yield _Found(_parsed(item.get("RepoTags") or []), None, _clean(item["Config"]), layers)


def _clean(path: str) -> str:
    return _text(components(path))


class _shaped:
    """Says which file is not of the right shape, where one is read in the `with` block."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, (KeyError, TypeError, AttributeError)):
            raise CorruptArchive(f"{self._name} in the archive is not as it should be ({error!r})") from error


# Into the store


def _add(store: Store, ingest: Ingest, files: _Files, found: _Found, wanted: Platform | None) -> Loaded:
    config = files.open(found.config)
    diff_ids = _checked(files.bytes(found.config), wanted)
    if len(diff_ids) != len(found.layers):
        raise CorruptArchive(f"the archive has {len(found.layers)} layers for an image of {len(diff_ids)}")
    if found.manifest:
        manifest, media_type = _keep_manifest(ingest, files, found, diff_ids), found.manifest["mediaType"]
    else:
        manifest, media_type = _make_manifest(ingest, files, found, diff_ids), MANIFEST_TYPE
    if not ingest.has_sound_blob(config.close()):
        ingest.publish(config, _digest(found.config) if found.manifest else None)
    replaced = {name: old for name in found.names if (old := _holder(store, name))}
    names: list[Reference | None] = [*found.names] or [None]
    for name in names:
        image = ingest.add_manifest(name, manifest, media_type)
    return Loaded(image, found.names, {name: old for name, old in replaced.items() if old != image.id})


def _checked(content: bytes, wanted: Platform | None) -> list[str]:
    """The diff IDs of a valid configuration for this system and the `wanted` platform."""
    config = image_config.parse(content)
    made_for = platform.normalized(*(config.get(key, "") for key in ("os", "architecture", "variant")))
    if made_for.os not in ("", "linux"):
        raise HostError(f"cannot load {printable(made_for.os)} image on linux")
    if wanted and made_for[:2] != wanted[:2]:
        raise NotFoundError(f"the image in the archive is for {printable(made_for)}, and not for {wanted}")
    return list(config["rootfs"]["diff_ids"])


def _keep_manifest(ingest: Ingest, files: _Files, found: _Found, diff_ids: list[str]) -> bytes:
    """Store the layers of a manifest; returns the manifest unchanged, so that its digest stays that of the index."""
    manifest = found.manifest or {}
    for path, diff_id in zip(found.layers, diff_ids, strict=True):
        digest = _digest(path)
        if not ingest.has_blob(digest):
            ingest.publish(files.open(path), digest)
        ingest.unpack_blob(digest, diff_id)
    file = files.open(_path(manifest["digest"]))
    if file.close() != manifest["digest"]:
        raise DigestMismatch(f"the manifest in the archive is not {manifest['digest']}, as its index says")
    with open(file.path, "rb") as opened:
        return opened.read()


def _make_manifest(ingest: Ingest, files: _Files, found: _Found, diff_ids: list[str]) -> bytes:
    """Store the layers of a docker archive, mostly uncompressed tars; returns a manifest for them."""
    layers = []
    for path, diff_id in zip(found.layers, diff_ids, strict=True):
        with open(files.open(path).path, "rb", buffering=0) as file:
            own_id, digest, size = ingest.put_layer(file)
        if own_id != diff_id:
            raise DigestMismatch(f"the layer {path!r} in the archive is {own_id}, and not {diff_id} as the config says")
        layers.append({"mediaType": LAYER_TYPE, "digest": digest, "size": size})
    config = files.open(found.config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config.close(), "size": config.size},
        "layers": layers,
    }
    return json.dumps(manifest, separators=(",", ":")).encode()


def _holder(store: Store, name: Reference) -> str | None:
    try:
        return store.resolve(str(name)).id
    except (NotFoundError, DamagedError):
        return None
