"""Manifests, indexes and image configs from registries: checked before they are used.

OCI image spec: manifest.md, image-index.md, config.md; docker's forms of the same: manifest-v2-2.md in
distribution.github.io/distribution/spec. Both are read, stored unchanged, and pushed unchanged.
"""

from __future__ import annotations

import json
from typing import Any

from minidock.errors import printable
from minidock.image import image_config
from minidock.image.digest import is_digest
from minidock.image.image_config import MalformedConfig
from minidock.image.media_types import INDEX_TYPE, MANIFEST_TYPES
from minidock.image.platform import Platform, host_architecture, host_variant, normalized, runs_also
from minidock.image.registry.failures import RegistryError
from minidock.named_tuple import NamedTuple

DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = (INDEX_TYPE, DOCKER_INDEX_TYPE)
ACCEPT = (*MANIFEST_TYPES, *INDEX_TYPES)

_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1"
_CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_LAYER_PREFIXES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
_SYSTEMS = ("linux", "windows", "darwin", "freebsd")
# ruff: noqa: SIM905 - this list reads better as text
_ARCHITECTURES = "386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm".split()
_LAYERS_MAX = 1024  # overlayfs takes about 500; docker refuses more than 127


class Blob(NamedTuple):
    """A descriptor of a config or layer (OCI image spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int


class Manifest(NamedTuple):
    """An image's config and layers, bottom to top."""

    media_type: str
    config: Blob
    layers: tuple[Blob, ...]


class Candidate(NamedTuple):
    """One manifest of an index."""

    digest: str
    platform: Platform | None


def media_type_of(content: bytes, declared: str, name: str) -> str:
    """The media type of a manifest or index that a registry declared to be `declared`.

    Refused are schema 1, unknown types, and content that is a manifest and an index at once (CVE-2021-41190).
    """
    document = _json_object(content, f"the manifest of {name}")
    own = document.get("mediaType")
    if declared.startswith(_SCHEMA1) or document.get("schemaVersion") == 1:
        raise RegistryError(
            f"{name} is stored in docker's schema 1 of 2015, which has no verifiable layers and is not supported:"
            " pull and push it once with a newer docker, or ask its publisher to"
        )
    media_type = own or declared
    if own and declared in ACCEPT and own != declared:
        raise RegistryError(f"the manifest of {name} says {printable(own)}, its registry {declared}: refused")
    if media_type not in ACCEPT:
        raise RegistryError(
            f"{name} is of the type {printable(media_type) or 'unknown'}, which is no image that minidock knows"
        )
    foreign = ("manifests",) if media_type in MANIFEST_TYPES else ("layers", "config")
    if any(key in document for key in foreign):
        raise RegistryError(f"the manifest of {name} has both layers and manifests: refused as ambiguous")
    return str(media_type)


def parse_manifest(content: bytes, media_type: str, name: str) -> Manifest:
    """A manifest whose media type is known; `RegistryError` if it is malformed or is not of an image."""
    document = _json_object(content, f"the manifest of {name}")
    config = _blob(document.get("config"), name)
    if config.media_type not in _CONFIG_TYPES:
        raise RegistryError(f"{name} is no container image: its config is of the type {printable(config.media_type)}")
    listed = document.get("layers")
    if not isinstance(listed, list) or len(listed) > _LAYERS_MAX:
        raise RegistryError(f"the manifest of {name} is malformed: it has no list of at most {_LAYERS_MAX} layers")
    layers = tuple(_blob(layer, name) for layer in listed)
    for layer in layers:
        if not layer.media_type.startswith(_LAYER_PREFIXES) or layer.media_type.endswith("+encrypted"):
            raise RegistryError(f"{name} has a layer of the type {printable(layer.media_type)}, not supported")
    return Manifest(media_type, config, layers)


def parse_index(content: bytes, name: str) -> list[Candidate]:
    """The images in an index. Other entries are ignored, except another index, which is refused.

    The spec allows nested indexes; docker's registry does not store them, no tool makes them, and they could form
    cycles.
    """
    document = _json_object(content, f"the index of {name}")
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise RegistryError(f"the index of {name} is malformed: it has no list of manifests")
    found = []
    for entry in listed:
        if not isinstance(entry, dict) or not is_digest(entry.get("digest")):
            raise RegistryError(f"the index of {name} is malformed: an entry has no sha256 digest")
        if entry.get("mediaType") in INDEX_TYPES:
            raise RegistryError(f"the index of {name} has another index in it, which is not supported")
        if entry.get("mediaType") in MANIFEST_TYPES:
            found.append(Candidate(entry["digest"], _platform_of(entry.get("platform"))))
    return found


def choose(candidates: list[Candidate], wanted: Platform | None, name: str) -> Candidate:
    """The image for `wanted`, or for this machine: the first of the best kind, as docker chooses."""
    if wanted is None and len(candidates) == 1 and candidates[0].platform is None:
        return candidates[0]
    for platform in _acceptable(wanted):
        suitable = [c for c in candidates if c.platform and _suits(c.platform, platform)]
        if suitable:
            # linux/amd64 rather than linux/amd64/v3, which not every amd64 can run.
            return next((c for c in suitable if c.platform == platform), suitable[0])
    offered = sorted({printable(c.platform, 40) for c in candidates if c.platform})
    raise RegistryError(
        f"no matching manifest for {_acceptable(wanted)[0]} in the manifest list entries of {name}"
        f" (there are: {', '.join(offered) or 'none'})"
    )


def is_for(platform: Platform, wanted: Platform | None) -> bool:
    """Whether an image for `platform` is what `wanted`, or this machine, asks for."""
    return any(_suits(platform, one) for one in _acceptable(wanted))


def parse_platform(text: str) -> Platform:
    """`linux/arm64/v8`, `linux/amd64` or `arm64`, as containerd reads it (platforms.Parse)."""
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(part.replace("_", "").replace("-", "").isalnum() for part in parts):
        raise RegistryError(f"{text!r} is not a platform: OS/ARCHITECTURE[/VARIANT], such as linux/arm64")
    if len(parts) == 1 and normalized("", text).architecture not in _ARCHITECTURES and parts[0] not in _SYSTEMS:
        raise RegistryError(f"{text!r} is not a platform: it is neither an operating system nor an architecture")
    if parts[0] not in _SYSTEMS:
        parts = ["linux", *parts]
    elif len(parts) == 1:
        parts.append(host_architecture())
    return normalized(*parts)


def parse_config(content: bytes, manifest: Manifest, name: str) -> tuple[list[str], Platform]:
    """The diff IDs in an image's config, one for each layer, and what the image is made for."""
    try:
        config = image_config.parse(content)
    except MalformedConfig as error:
        raise RegistryError(f"the config of {name} is malformed: {printable(error)}") from error
    diff_ids = config["rootfs"]["diff_ids"]
    if not all(map(is_digest, diff_ids)):
        raise RegistryError(f"the config of {name} is malformed: rootfs.diff_ids is no list of sha256 digests")
    if len(diff_ids) != len(manifest.layers):
        raise RegistryError(
            f"{name} is inconsistent: {len(manifest.layers)} layers in its manifest, {len(diff_ids)} in its config"
        )
    return diff_ids, normalized(*(config.get(key, "") for key in ("os", "architecture", "variant")))


def _suits(platform: Platform, wanted: Platform) -> bool:
    same = (platform.os, platform.architecture) == (wanted.os, wanted.architecture)
    return same and (not wanted.variant or platform.variant == wanted.variant)


def _acceptable(wanted: Platform | None) -> list[Platform]:
    """The platforms that fit, best first: the one that was asked for, or those that run here."""
    if wanted:
        return [wanted]
    own = host_architecture()
    variants = {"arm": ["v7", "v6", "v5"]}.get(own, [host_variant()])
    found = [normalized("linux", own, variant) for variant in variants]
    return [*found, *(normalized("linux", other) for other in runs_also(own))]


def _platform_of(entry: Any) -> Platform | None:
    if not isinstance(entry, dict):
        return None
    return normalized(*(str(entry.get(key) or "") for key in ("os", "architecture", "variant")))


def _blob(entry: Any, name: str) -> Blob:
    if not isinstance(entry, dict):
        raise RegistryError(f"the manifest of {name} is malformed: a descriptor is missing")
    media_type, digest, size = (entry.get(key) for key in ("mediaType", "digest", "size"))
    if not is_digest(digest):
        raise RegistryError(f"the manifest of {name} is malformed: {printable(digest)} is no sha256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RegistryError(f"the manifest of {name} is malformed: {printable(size)} is no size")
    return Blob(str(media_type), str(digest), size)


def _json_object(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{what} is not a JSON object: refused")
    return document
