"""Which volumes `volume ls --filter` shows and `volume prune` removes (docker's reference: docker volume ls)."""

from __future__ import annotations

from collections.abc import Iterable

from minidock.engine.filters import pairs
from minidock.engine.volumes import volumes
from minidock.engine.volumes.volumes import Volume
from minidock.errors import UsageError
from minidock.image.image_filters import Filters, labels_fit

FOR_LISTS = ("dangling", "driver", "label", "name")
FOR_PRUNE = ("all", "label", "label!")
_TRUE, _FALSE = ("1", "true"), ("0", "false")


def parse(texts: Iterable[str], known: tuple[str, ...]) -> Filters:
    """`NAME=VALUE` filters by name; `UsageError` for one that is not `known`, or that is neither true nor false."""
    filters: Filters = {}
    for name, value in pairs(texts):
        if name not in known:
            raise UsageError(f"Invalid filter '{name}'")
        if name in ("all", "dangling") and value.lower() not in _TRUE + _FALSE:
            raise UsageError(f"Invalid filter '{name}=[{value}]'")
        filters.setdefault(name, []).append(value)
    return filters


def says_all(filters: Filters) -> bool:
    """Whether the filter `all` is set."""
    return any(value.lower() in _TRUE for value in filters.get("all", ()))


def select(root: str, filters: Filters) -> list[Volume]:
    """The volumes that pass, by name: all labels must fit, and one of each other kind."""
    used = volumes.users(root) if "dangling" in filters else {}

    def fits(volume: Volume) -> bool:
        names, drivers, dangling = (filters.get(kind) for kind in ("name", "driver", "dangling"))
        return (
            (names is None or any(name in volume.name for name in names))
            and (drivers is None or volumes.DRIVER in drivers)
            and (dangling is None or (dangling[-1].lower() in _TRUE) == (volume.name not in used))
            and labels_fit(volume.labels, filters)
        )

    return [volume for volume in volumes.load_all(root) if fits(volume)]
