"""Arguments and flags that are the name of something that exists, so that a shell can complete them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from minidock.cli import usage

if TYPE_CHECKING:
    import click


class EntityName(usage.Kind):
    """A text like any other to the command; `names` lists, below a state root, what may be meant."""

    def __init__(self, names: Callable[[str], Iterator[str]]) -> None:
        self.names = names

    def convert(self, text: str) -> str:
        return text

    def to_click(self) -> click.ParamType[str]:
        from minidock.cli.flags import completed_types

        return completed_types.EntityName(self.names)


class FileName(usage.Kind):
    """A path, which the shell itself completes; of a file ("file"), or of a directory only ("dir")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def convert(self, text: str) -> str:
        return text

    def to_click(self) -> click.ParamType[str]:
        from minidock.cli.flags import completed_types

        return completed_types.FileName(self.kind)


class PathOrContainer(EntityName):
    """What `cp` takes: a path of this host, or CONTAINER:PATH."""

    def to_click(self) -> click.ParamType[str]:
        from minidock.cli.flags import completed_types

        return completed_types.PathOrContainer(self.names)


def _containers(*statuses: str) -> Callable[[str], Iterator[str]]:
    def names(root: str) -> Iterator[str]:
        from minidock.engine.container import records

        for record in records.load_all(root):
            if not statuses or record.status in statuses:
                yield record.name

    return names


def _images(root: str) -> Iterator[str]:
    from minidock.image import image_filters
    from minidock.image.store import Store

    for _, references in image_filters.select(Store(root), {}):
        for name in references:
            if name.tag:
                yield f"{name.familiar_name}:{name.tag}"


def _networks(root: str) -> Iterator[str]:
    from minidock.network import network_store, predefined

    yield from predefined.DRIVERS
    for network in network_store.load_all(root):
        yield network.name


def _volumes(root: str) -> Iterator[str]:
    from minidock.engine.volumes import volumes

    return (volume.name for volume in volumes.load_all(root))


def _all(root: str) -> Iterator[str]:
    for names in (_containers(), _images, _networks, _volumes):
        yield from names(root)


FILE = FileName("file")
DIRECTORY = FileName("dir")
CONTAINER = EntityName(_containers())
RUNNING_CONTAINER = EntityName(_containers("running", "paused", "restarting"))
STOPPED_CONTAINER = EntityName(_containers("created", "exited"))
PAUSED_CONTAINER = EntityName(_containers("paused"))
IMAGE = EntityName(_images)
NETWORK = EntityName(_networks)
VOLUME = EntityName(_volumes)
CONTAINER_PATH = PathOrContainer(lambda root: (f"{name}:" for name in _containers()(root)))
ANYTHING = EntityName(_all)
