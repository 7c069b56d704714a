"""Port bindings: what -p asks for, what was reserved, and docker's notation of both."""

from __future__ import annotations

from typing import Any

from minidock.named_tuple import NamedTuple


class PortRequest(NamedTuple):
    """One port of the container (`port`) to publish, as -p asks for it.

    `host_address` '' is every address of the host. Any host port from `first` to `last` is accepted; 0 is any at all.
    """

    protocol: str
    port: int
    host_address: str
    first: int
    last: int

    @property
    def key(self) -> str:
        """The container's port in docker's notation: 80/tcp."""
        return f"{self.port}/{self.protocol}"


class Published(NamedTuple):
    """One port of the host, at `host_address` ('0.0.0.0' and '::': all addresses), that leads to one of a container."""

    protocol: str
    host_address: str
    host_port: int
    port: int


def as_settings(published: list[Published], exposed: list[str]) -> dict[str, list[dict[str, str]] | None]:
    """The ports as in docker's NetworkSettings.Ports. `exposed`: ports, as 80/tcp, listed even if they are not
    published.
    """
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(exposed)
    for row in published:
        binding = {"HostIp": row.host_address, "HostPort": str(row.host_port)}
        key = f"{row.port}/{row.protocol}"
        found[key] = [*(found.get(key) or []), binding]
    return found


def from_settings(settings: dict[str, Any]) -> list[Published]:
    """The reverse of `as_settings`."""
    rows = []
    for key, bindings in settings.items():
        port, _, protocol = key.partition("/")
        for binding in bindings or []:
            rows.append(Published(protocol, binding["HostIp"], int(binding["HostPort"]), int(port)))
    return rows


def place(address: str, port: int) -> str:
    """Address and port in the usual notation."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
