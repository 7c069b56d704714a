"""Networks of the Python library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidock.engine.container import recovery
from minidock.engine.networks import networks
from minidock.image import image_filters
from minidock.sdk import command_line
from minidock.sdk.command_line import Flag
from minidock.sdk.containers import Container


class Network:
    """One network, by its id."""

    def __init__(self, root: str, network_id: str) -> None:
        self._root = root
        self.id = network_id

    def __repr__(self) -> str:
        return f"<Network {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def attrs(self) -> dict[str, Any]:
        """All that `network inspect` shows."""
        from minidock.engine.inspect import inspect_network

        recovery.sweep_all(self._root)
        return inspect_network.network(self._root, networks.find(self._root, self.id))

    @property
    def name(self) -> str:
        """Its name."""
        return networks.find(self._root, self.id).name

    @property
    def containers(self) -> list[Container]:
        """Those that are on it."""
        return [Container(self._root, found) for found in self.attrs["Containers"]]

    def connect(self, container: Container | str, **flags: Flag) -> None:
        """Connect a container. `flags` are those of `minidock network connect`, such as `alias="db"`."""
        words = command_line.words_of(flags)
        command_line.ask(self._root, "network", "connect", *words, self.id, _id_of(container))

    def disconnect(self, container: Container | str, *, force: bool = False) -> None:
        """Disconnect a container."""
        from minidock.engine.networks import connect_container

        recovery.sweep_all(self._root)
        connect_container.disconnect(self._root, self.id, _id_of(container), force=force)

    def remove(self) -> None:
        """Remove it. Raises `ConflictError` while containers are on it."""
        recovery.sweep_all(self._root)
        networks.remove(self._root, self.id)


class Networks:
    """All networks of a state root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def create(self, name: str, **flags: Flag) -> Network:
        """Create a network. `flags` are those of `minidock network create`, such as `subnet` or `internal`."""
        words = command_line.words_of(flags)
        return Network(self._root, command_line.ask(self._root, "network", "create", *words, name))

    def get(self, name: str) -> Network:
        """The network with this name or id. Raises `NotFoundError`."""
        return Network(self._root, networks.find(self._root, name).id)

    def list(self, *, filters: Mapping[str, str] | None = None) -> list[Network]:
        """All networks, by name. `filters` as of `minidock network ls`."""
        texts = (f"{name}={text}" for name, text in (filters or {}).items())
        recovery.sweep_all(self._root)
        found = networks.select(self._root, image_filters.parse(texts, networks.FOR_LISTS))
        return [Network(self._root, network.id) for network in found]


def _id_of(container: Container | str) -> str:
    return container.id if isinstance(container, Container) else container
