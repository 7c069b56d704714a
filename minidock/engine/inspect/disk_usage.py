"""What takes how much of the disk, and how much of that nobody uses (docker's reference: docker system df).

Layers are shared, so an image's size is not what removing it gives back: that is what no other image has.
"""

from __future__ import annotations

from collections import Counter

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.images import image_users
from minidock.engine.volumes import volumes
from minidock.engine.volumes.volumes import Volume
from minidock.image.layer_directories import layer_size
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.linux.directory_trees import tree_size
from minidock.named_tuple import NamedTuple


class ImageUse(NamedTuple):
    """`shared`: bytes that another image has as well. `containers`: how many were made from it."""

    image: Image
    names: list[Reference]
    shared: int
    containers: int

    @property
    def unique(self) -> int:
        """What removing it would give back."""
        return self.image.size - self.shared


class ContainerUse(NamedTuple):
    """`size`: the bytes that it has written."""

    record: Record
    size: int


class VolumeUse(NamedTuple):
    """`links`: how many containers have it."""

    volume: Volume
    links: int
    size: int


class Usage(NamedTuple):
    """Everything; `layers` is the size of all images together, each layer counted once."""

    images: list[ImageUse]
    layers: int
    containers: list[ContainerUse]
    volumes: list[VolumeUse]


def measure(root: str) -> Usage:
    """Look at every file below `root`."""
    found = Store(root).list()
    users = image_users.in_use(root)
    owners = Counter(diff_id for image, _ in found for diff_id in set(image.layers))
    sizes = {diff_id: layer_size(root, diff_id) for diff_id in owners}
    image_uses = [
        ImageUse(image, names, sum(sizes[diff_id] for diff_id in image.layers if owners[diff_id] > 1),
                 len(users.get(image.id, ())))
        for image, names in found
    ]  # fmt: skip
    containers = [ContainerUse(record, tree_size(record.path("upper"))) for record in records.load_all(root)]
    links = volumes.users(root)
    volume_uses = [VolumeUse(volume, len(links.get(volume.name, ())), volumes.size(volume))
                   for volume in volumes.load_all(root)]  # fmt: skip
    return Usage(image_uses, sum(sizes.values()), containers, volume_uses)
