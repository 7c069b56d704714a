"""The registry client: not built yet. What stands here is its border with the engine."""

from __future__ import annotations

from collections.abc import Callable

from minidock.errors import MinidockError
from minidock.image.reference import Reference
from minidock.image.store import Image, Store


class RegistryUnreachable(MinidockError):
    """No registry could be asked. One that was asked and said no raises something else."""


def pull(store: Store, name: Reference, say: Callable[[str], None]) -> Image:
    """Fetch the image `name` into the store. Raises `RegistryUnreachable`, or what else went wrong."""
    raise RegistryUnreachable(f"no registry client is built yet, so {name.domain} cannot be asked for {name}")
