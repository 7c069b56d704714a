"""Published ports in words: what -p asks for, what came of it, and docker's way of writing that down."""

from __future__ import annotations

from typing import Any, NamedTuple


class PortRequest(NamedTuple):
    """One port of the container (`port`) that is to be published, as -p says it.

    `host_address` '' is every address of the host. Any host port from `first` to `last` will do; 0 is any at all.
    """

    protocol: str
    port: int
    host_address: str
    first: int
    last: int

    @property
    def key(self) -> str:
        """The container's port as docker writes it: 80/tcp."""
        return f"{self.port}/{self.protocol}"


class Published(NamedTuple):
    """One port of the host, at `host_address` ('0.0.0.0' and '::' are all of a family), that leads to a container's."""

    protocol: str
    host_address: str
    host_port: int
    port: int


def as_settings(published: list[Published], exposed: list[str]) -> dict[str, list[dict[str, str]] | None]:
    """The ports as docker's NetworkSettings.Ports has them. `exposed`: ports, as in 80/tcp, that may be unpublished."""
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(exposed)
    for row in published:
        binding = {"HostIp": row.host_address, "HostPort": str(row.host_port)}
        key = f"{row.port}/{row.protocol}"
        found[key] = [*(found.get(key) or []), binding]
    return found


def from_settings(settings: dict[str, Any]) -> list[Published]:
    """What `as_settings` was made of."""
    rows = []
    for key, bindings in settings.items():
        port, _, protocol = key.partition("/")
        for binding in bindings or []:
            rows.append(Published(protocol, binding["HostIp"], int(binding["HostPort"]), int(port)))
    return rows


def place(address: str, port: int) -> str:
    """An address and a port as everybody writes them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
