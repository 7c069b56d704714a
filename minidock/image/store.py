"""The store: an OCI image layout at `<root>/images`, which skopeo and umoci read too, and unpacked layers beside it.

    images/oci-layout           the version of the layout
    images/index.json           the manifests, and the references (`alpine:latest`) that name them
    images/blobs/sha256/<hex>   manifests, configs, layers
    layers/<hex>/               unpacked layers, by diff ID
    locks/                      files for flock(2)
    tmp/                        workspaces of running commands

References are kept in the index as `image_index.py` says. An image's id is the digest of its config, as in docker.

Every `run` looks up an image, so this module imports little.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, cast

from minidock.errors import ConflictError, HostError, MinidockError, NotFoundError, UsageError
from minidock.image import blobs, image_index, reference
from minidock.image.created_time import epoch_seconds
from minidock.image.digest import is_digest
from minidock.image.image_index import Descriptors
from minidock.image.locks import store_lock
from minidock.image.manifest_types import Descriptor, ImageManifest
from minidock.image.media_types import MANIFEST_TYPES
from minidock.image.reference import Reference
from minidock.image.stored_image import Image
from minidock.shapes import misfit
from minidock.state import DamagedError

if TYPE_CHECKING:
    from minidock.image.garbage_collection import Collected

Strings = list[str]
Damages = list[DamagedError]

_MANIFEST = {"config": {"digest": str}, "layers": [{"digest": str}]}


References = list[Reference]
Listing = list[tuple[Image, References]]


class Store:
    """The images below `root`. Each method that changes something is atomic and takes the store's lock itself."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.images = os.path.join(root, "images")

    # Looking up

    def resolve(self, text: str) -> Image:
        """The image that a user means by a name, `name:tag`, `name@digest`, an id, or the unique start of an id."""
        with self._reading():
            descriptors = self._manifests()
            if found := self._by_name(descriptors, text) or self._by_id(descriptors, text):
                return self._image(found)
        raise NotFoundError(_absent(text))

    def list(self) -> Listing:
        """All images, newest first, each with its references."""
        found: dict[str, tuple[Image, list[Reference]]] = {}
        with self._reading():
            for descriptor in self._manifests():
                try:
                    image = self._image(descriptor)
                except MinidockError:
                    continue  # no image but an artifact, or damaged; `resolve` says which
                references = found.setdefault(image.id, (image, []))[1]
                with suppress(UsageError):  # another tool's name, which is none of docker's grammar
                    references.append(reference.parse(image_index.name_of(descriptor) or ""))
        for _, references in found.values():
            references.sort(key=str)
        return sorted(found.values(), key=lambda pair: epoch_seconds(pair[0].created), reverse=True)

    def damaged(self) -> Damages:
        """The errors of images that are in the index and missing in `list`."""
        found = []
        with self._reading():
            for descriptor in self._manifests():
                try:
                    self._image(descriptor)
                except DamagedError as error:
                    found.append(error)
                except MinidockError:
                    continue  # no image but an artifact
        return found

    def references(self, image_id: str) -> References:
        """All names of an image."""
        return next((references for image, references in self.list() if image.id == image_id), [])

    def descriptor(self, image: Image) -> Descriptor:
        """The descriptor of an image's manifest, as an index of another layout would have it."""
        found = next((d for d in self._manifests() if d["digest"] == image.manifest_digest), None)
        if found is None:
            raise NotFoundError(f"No such image: {image.id}")
        return image_index.with_name(found, None)

    # Changing names

    def tag(self, image: Image, name: Reference) -> None:
        """Give `image` the name. An image that had it before stays, without that name."""
        with self.lock():
            known = self._index()
            kept = [d for d in known if not image_index.is_called(d, name)]
            own = next((d for d in known if d["digest"] == image.manifest_digest), None)
            if own is None:
                raise NotFoundError(f"No such image: {image.id}")
            self._write_index([*kept, image_index.with_name(own, name)], known)

    def untag(self, name: Reference) -> None:
        """Remove `name`. Its image stays, without any name if it had no other."""
        with self.lock():
            known = self._index()
            kept = [d for d in known if not image_index.is_called(d, name)]
            if len(kept) == len(known):
                raise NotFoundError(f"No such image: {name}")
            self._write_index(kept, known)

    def forget(self, text: str) -> None:
        """Remove an image that cannot be read from the index: one with the name `text`, or a manifest's digest."""
        with self.lock():
            known = self._index()
            named = self._by_name(known, text)
            digest = named["digest"] if named else text
            image_index.write_index(self.root, [d for d in known if d["digest"] != digest])

    def remove(
        self, image_id: str, users: Callable[[], Strings], has_layer: Callable[[str], bool] = lambda path: False
    ) -> Collected:
        """Remove an image and all its names, and delete what no other image needs.

        `users`, called under the lock, returns the containers that use the image: if any, `ConflictError` is raised.
        `has_layer`: whether a container uses the layer at a path, whatever the images say.
        """
        from minidock.image.garbage_collection import Collected, collect

        with self.lock():
            if containers := users():
                raise ConflictError(f"image {image_id} is being used by container {containers[0][:12]}")
            known = self._index()
            kept = [d for d in known if d.get("mediaType") not in MANIFEST_TYPES or self._id(d) != image_id]
            if len(kept) == len(known):
                raise NotFoundError(f"No such image: {image_id}")
            image_index.write_index(self.root, kept)
        try:
            return collect(self.root, has_layer)
        except DamagedError:  # it cannot be known what another image needs: `image prune` reports it
            return Collected([], 0)

    # Content

    def has_blob(self, digest: str) -> bool:
        """Whether the blob exists. Only with an `Ingest` is it certain to stay."""
        return os.path.exists(self.blob_path(digest))

    def blob_path(self, digest: str) -> str:
        """The file of a blob, to be read only."""
        return blobs.blob_path(self.images, digest)

    def record(self, name: Reference | None, descriptor: Descriptor, also: Reference | None = None) -> Image:
        """Make the manifest of `descriptor` an image, called `name` and `also`. To be called by `Ingest.add_manifest`.

        The image gets both names at the same moment. Raises `HostError` if something that it needs is missing.
        """
        with self.lock():
            image = self._image(descriptor)
            lost = [d["digest"] for d in image.manifest["layers"] if not self.has_blob(d["digest"])]
            if lost := lost + image.missing_layers:
                raise HostError(f"the image {image.id} cannot be added: the store does not have {lost[0]}")
            known = self._index()
            names: list[Reference | None] = [one for one in (name, also) if one]
            kept = [d for d in known if not any(one and image_index.is_called(d, one) for one in names)]
            self._write_index([*kept, *(image_index.with_name(descriptor, one) for one in names or [None])], known)
        return image

    def lock(self, *, shared: bool = False) -> AbstractContextManager[None]:
        """The store's lock. Hold it shared from `resolve` until what uses the image is on record."""
        return store_lock(self.root, shared=shared)

    # The index

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Keep what the index refers to from being deleted while it is read."""
        if not os.path.isdir(self.images):
            yield
            return
        with self.lock(shared=True):
            yield

    def _index(self) -> Descriptors:
        """The entries of index.json; other tools may have added more than images."""
        return image_index.read_index(self.images)

    def _manifests(self) -> Descriptors:
        return [d for d in self._index() if d.get("mediaType") in MANIFEST_TYPES]

    def _write_index(self, descriptors: Descriptors, known: Descriptors) -> None:
        """Write the index; a manifest of `known` that has lost its last name stays in it without one."""
        named = {d["digest"] for d in descriptors if image_index.name_of(d)}
        kept = [d for d in descriptors if image_index.name_of(d) or d["digest"] not in named]
        present = {d["digest"] for d in kept}
        for descriptor in known:
            if descriptor["digest"] not in present:
                present.add(descriptor["digest"])
                kept.append(image_index.with_name(descriptor, None))
        image_index.write_index(self.root, kept)

    def _by_name(self, descriptors: Descriptors, text: str) -> Descriptor | None:
        try:
            wanted = reference.parse(text)
        except UsageError:
            return None
        return next((d for d in descriptors if image_index.is_called(d, wanted)), None)

    def _by_id(self, descriptors: Descriptors, text: str) -> Descriptor | None:
        start = text.removeprefix("sha256:")
        if not start or start.strip("0123456789abcdef"):
            return None
        ids = {self._id(d): d for d in descriptors}
        found = [image_id for image_id in ids if image_id.startswith(f"sha256:{start}")]
        if len(found) > 1:
            raise ConflictError(f"the image id {text} is ambiguous: {len(found)} ids begin so")
        return ids[found[0]] if found else None

    def _id(self, descriptor: Descriptor) -> str:
        """The id of the image that a descriptor refers to, or ''."""
        try:
            return str(blobs.read_json(self.images, descriptor["digest"])["config"]["digest"])
        except (MinidockError, KeyError, TypeError):
            return ""

    def _image(self, descriptor: Descriptor) -> Image:
        digest = descriptor["digest"]
        manifest = blobs.read_json(self.images, digest)
        if why := misfit(manifest, _MANIFEST):
            raise HostError(f"the manifest {digest} is not that of an image ({why})")
        image_id = manifest["config"]["digest"]
        config = blobs.read_config(self.images, image_id)
        blob_digests = [layer["digest"] for layer in manifest["layers"]]
        diff_ids = config["rootfs"]["diff_ids"]
        if len(blob_digests) != len(diff_ids) or not all(map(is_digest, [*blob_digests, *diff_ids])):
            raise HostError(f"the manifest {digest} and its config do not agree on the image's layers")
        return Image(self.root, image_id, digest, cast(ImageManifest, manifest), config)


def _absent(text: str) -> str:
    """Docker's words for an image that is not here: by its whole name, if it can be one's."""
    try:
        return f"No such image: {text if text.startswith('sha256:') else reference.parse(text)}"
    except UsageError as error:
        return str(error)
