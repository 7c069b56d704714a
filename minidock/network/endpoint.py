"""Endpoints: what a container has on one network. `EndpointConfig` is what was asked for, `Endpoint` what it got."""

from __future__ import annotations

from typing import Any

from minidock.named_tuple import NamedTuple
from minidock.network.predefined import DEFAULT, DRIVERS


class EndpointConfig(NamedTuple):
    """Names, addresses and hardware address on one network, as its user wants them; an empty one is chosen for them.

    `links` are rows of (container, alias): other containers, under names that only this one resolves. In a record the
    containers are ids. `gw_priority`: of the networks with a gateway, the one with the highest gets the default route.
    """

    aliases: list[str]
    address: str
    address6: str
    mac: str
    links: list[tuple[str, str]]
    gw_priority: int = 0

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> EndpointConfig:
        """The reverse of `_asdict` after a JSON file has made lists of the tuples."""
        return cls(**{**row, "links": [(container, alias) for container, alias in row["links"]]})


DEFAULT_CONFIG = EndpointConfig([], "", "", "", [])


class Endpoint(NamedTuple):
    """A container's interface on a network, with its addresses. An empty address: no IPv6, or (gateways) no way out."""

    network: str  # its id
    bridge: str  # the host's interface that it is connected to: a bridge, or the parent of a macvlan link
    interface: str  # in the container
    host_interface: str  # the host's end of the veth pair; '' where there is none
    mac: str
    address: str
    prefix: int
    gateway: str
    address6: str
    prefix6: int
    gateway6: str
    names: list[str]  # under which the other containers on this network find it
    gw_priority: int = 0
    driver: str = DRIVERS[DEFAULT]


Endpoints = dict[str, Endpoint]  # by the network's name


def gateway_endpoint(endpoints: Endpoints) -> Endpoint | None:
    """The endpoint whose gateway is the container's default route; None if no network has a gateway.

    It is the one with the highest priority (--gw-priority), and of several the first by the network's name. This is
    docker's rule; by it, connecting a container to one more network can move its default route.
    """
    ranks = [(-endpoint.gw_priority, name) for name, endpoint in endpoints.items() if endpoint.gateway]
    return endpoints[min(ranks)[1]] if ranks else None
