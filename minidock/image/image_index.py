"""The index of the store, `images/index.json`: which manifests are images, and the references that name them.

A reference is a descriptor with the annotation org.opencontainers.image.ref.name (OCI image spec, image-layout.md,
"index.json file"). One manifest has as many descriptors as it has names, and one without annotation while it has none.
"""

from __future__ import annotations

import json
import os

from minidock.image import reference
from minidock.image.manifest_types import Descriptor
from minidock.image.media_types import INDEX_TYPE
from minidock.image.reference import Reference
from minidock.observe import step
from minidock.state import directory, read_json, sweep, write_text

Descriptors = list[Descriptor]
REF_NAME = "org.opencontainers.image.ref.name"
_INDEX = {"manifests": [{"mediaType": str, "digest": str, "size": int}]}


def write_index(root: str, descriptors: Descriptors) -> None:
    """Replace the index of the store at `root`. The caller holds the store's lock."""
    images = directory(root, "images")
    marker = os.path.join(images, "oci-layout")
    if not os.path.exists(marker):
        write_text(marker, '{"imageLayoutVersion": "1.0.0"}\n')
    sweep(images)
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors}
    with step("Write the index of images", book="2.2.2"):
        write_text(os.path.join(images, "index.json"), json.dumps(index, indent=2) + "\n")


def read_index(images: str) -> list[Descriptor]:
    """The descriptors in the index of the image layout at `images`."""
    path = os.path.join(images, "index.json")
    try:
        content = read_json(path, _INDEX, "restore it from a backup, or move it away and pull or load the images again",
                            version=2)  # fmt: skip
    except FileNotFoundError:
        return []
    descriptors: list[Descriptor] = content["manifests"]
    return descriptors


def name_of(descriptor: Descriptor) -> str | None:
    """The reference that a descriptor of the index stands for."""
    name: str | None = (descriptor.get("annotations") or {}).get(REF_NAME)
    return name


def is_called(descriptor: Descriptor, name: Reference) -> bool:
    """Whether the descriptor stands for `name`. Other tools may omit the tag `latest`."""
    own = name_of(descriptor)
    return own == _key(name) or (name.tag == reference.DEFAULT_TAG and own == name.familiar_name)


def _key(name: Reference) -> str:
    """The text in the index. Of `name:tag@digest` only the digest counts, as for docker."""
    return name._replace(tag=None).familiar if name.digest else name.familiar


def with_name(descriptor: Descriptor, name: Reference | None) -> Descriptor:
    """The descriptor with `name` in place of its own, or without a name."""
    plain: Descriptor = {
        "mediaType": descriptor["mediaType"],
        "digest": descriptor["digest"],
        "size": descriptor["size"],
    }
    return {**plain, "annotations": {REF_NAME: _key(name)}} if name else plain
