"""An image of the store, and what its configuration and layers say of it."""

from __future__ import annotations

from typing import Any

from minidock.image import layer_directories, platform
from minidock.image.manifest_types import ImageManifest
from minidock.image.platform import Platform
from minidock.named_tuple import NamedTuple


class Image(NamedTuple):
    """An image of the store: id, the manifest that led to it, and config (`image_config.py` says what is in it)."""

    root: str
    id: str
    manifest_digest: str
    manifest: ImageManifest
    config: dict[str, Any]

    @property
    def layers(self) -> list[str]:
        """The diff IDs, bottom to top."""
        return list(self.config["rootfs"]["diff_ids"])

    @property
    def layer_paths(self) -> list[str]:
        """The unpacked layers' directories, bottom to top."""
        return [layer_directories.layer_path(self.root, diff_id) for diff_id in self.layers]

    @property
    def missing_layers(self) -> list[str]:
        """The diff IDs that are not unpacked: after a crash, or when another tool put the image here."""
        return [diff_id for diff_id in self.layers if not layer_directories.has_layer(self.root, diff_id)]

    @property
    def size(self) -> int:
        """The bytes in all layers' files, as docker's column SIZE."""
        return sum(layer_directories.layer_size(self.root, diff_id) for diff_id in self.layers)

    @property
    def created(self) -> str:
        """When the image was made (RFC 3339), or ''."""
        return str(self.config.get("created", ""))

    @property
    def architecture(self) -> str:
        """As Go calls it: amd64, arm64, ..."""
        return str(self.config.get("architecture", ""))

    @property
    def os(self) -> str:
        """The operating system that the image is made for."""
        return str(self.config.get("os", ""))

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the image gives to its containers."""
        return dict(self.config.get("config", {}).get("Labels", {}))

    @property
    def platform(self) -> Platform:
        """For which machines it is made, in one name for each thing."""
        return platform.normalized(self.os, self.architecture, self.config.get("variant", ""))
