"""Volumes of the Python library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidock.engine.container import recovery
from minidock.engine.volumes import volume_filters, volumes


class Volume:
    """One volume, by its name."""

    def __init__(self, root: str, name: str) -> None:
        self._root = root
        self.name = name

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Volume) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def attrs(self) -> dict[str, Any]:
        """All that `volume inspect` shows."""
        return volumes.find(self._root, self.name).describe()

    @property
    def path(self) -> str:
        """The directory of the host that its files are in."""
        return volumes.find(self._root, self.name).mountpoint

    def remove(self, *, force: bool = False) -> None:
        """Remove it with its files. Raises `ConflictError` while a container has it."""
        from minidock.engine.volumes.rm import remove_volume

        recovery.sweep_all(self._root)
        remove_volume(self._root, self.name, force=force)


class Volumes:
    """All volumes of a state root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def create(
        self, name: str = "", *, labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
    ) -> Volume:
        """Create a volume, or return the one that has the name. `options` are the driver's (`volume create --opt`)."""
        made = volumes.create(self._root, name, labels=dict(labels or {}), options=dict(options or {}))
        return Volume(self._root, made.name)

    def get(self, name: str) -> Volume:
        """The volume with this name. Raises `NotFoundError`."""
        return Volume(self._root, volumes.find(self._root, name).name)

    def list(self, *, filters: Mapping[str, str] | None = None) -> list[Volume]:
        """All volumes, by name. `filters` as of `minidock volume ls`."""
        texts = tuple(f"{name}={text}" for name, text in (filters or {}).items())
        recovery.sweep_all(self._root)
        found = volume_filters.select(self._root, volume_filters.parse(texts, volume_filters.FOR_LISTS))
        return [Volume(self._root, volume.name) for volume in found]
