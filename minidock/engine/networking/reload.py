"""The packet filter's rules, made anew from what is on record of networks and containers."""

from __future__ import annotations

from minidock.engine import records
from minidock.engine.making import publishing
from minidock.engine.records import Record
from minidock.errors import HostError
from minidock.linux import links
from minidock.network import endpoints, store
from minidock.network import filter as packet_filter
from minidock.observe import step


def reload(root: str) -> None:
    """`network reload`: whatever the kernel holds of ours is replaced by what running containers need.

    For after a firewall was flushed or started anew. Any command notices that as well; this one does not ask. Raises
    `HostError` if the rules cannot be written.
    """
    networks = {network.id: network for network in store.load_all(root)}
    plugged: list[endpoints.Endpoint] = []
    published = {}
    for record in _connected(root):
        mine = {name: endpoints.Endpoint(**row) for name, row in record.data["networks"].items()}
        plugged += mine.values()
        if (entrance := endpoints.gateway(mine)) and (ports := publishing.published(record)):
            published[entrance.host_interface] = ports
    with step("the packet filter, anew", book="4.1.1"):
        with links.Rtnetlink() as host:
            for cable in filter(links.exists, published):
                host.set_hairpin(cable)
        used = {endpoint.network for endpoint in plugged}
        known = [networks[network_id] for network_id in used & networks.keys()]
        warnings = packet_filter.admit(known, plugged, published, anew=True)
    if warnings:
        raise HostError(warnings[0])


def if_needed(root: str) -> None:
    """`reload`, for a host on which nothing is registered, if containers are running there all the same."""
    if _connected(root):
        reload(root)


def _connected(root: str) -> list[Record]:
    """The containers that are on a network now."""
    return [record for record in records.load_all(root) if record.is_up and record.data["networks"]]
