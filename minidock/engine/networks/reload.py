"""The packet filter's rules, made anew from what is on record of networks and containers."""

from __future__ import annotations

import os
from typing import Any

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.spec import published_ports
from minidock.errors import HostError
from minidock.linux import rtnetlink
from minidock.network import network_drivers, network_store
from minidock.network.endpoint import Endpoint, gateway_endpoint
from minidock.network.firewall import packet_filter
from minidock.network.interface_names import host_interface_of
from minidock.network.leases import Lease, Leases
from minidock.observe import step
from minidock.state import DamagedError


def reload(root: str) -> None:
    """`network reload`: whatever the kernel holds of ours is replaced by what running containers need.

    For after a firewall was flushed or started anew. Any command notices that as well; this one does not ask. Leases
    that cannot be read, or that somebody has removed, are made anew too. Raises `HostError` if the rules cannot be
    written.
    """
    _restore_leases(root)
    networks = {network.id: network for network in network_store.load_all(root)}
    plugged: list[Endpoint] = []
    published = {}
    for record in _connected(root):
        mine = {name: Endpoint(**row) for name, row in record.data["networks"].items()}
        plugged += [endpoint for endpoint in mine.values() if endpoint.host_interface]
        gateway = gateway_endpoint(mine)
        if gateway and gateway.host_interface and (ports := published_ports.published(record)):
            published[gateway.host_interface] = ports
    with step("Write the packet filter again", book="4.1.1"):
        with rtnetlink.Rtnetlink() as host:
            for cable in filter(rtnetlink.exists, published):
                host.set_hairpin(cable)
        used = {endpoint.network for endpoint in plugged}
        known = [networks[network_id] for network_id in used & networks.keys()]
        warnings = packet_filter.add_endpoints(known, plugged, published, anew=True)
    if warnings:
        raise HostError(warnings[0])


def _restore_leases(root: str) -> None:
    """See to it that each container that holds an address has a lease. Raises `DamagedRecordError` if a container may
    hold one that nobody knows."""
    with network_store.locked(root):
        for network in network_store.load_all(root):
            if network.driver not in network_drivers.NAMES:  # nobody has an address there
                continue
            leases, is_damaged = _legible(root, network.id)
            had = dict(leases.held)
            for record in records.load_all(root):
                for row in record.data["networks"].values() if not record.is_over else ():
                    if row["network"] == network.id:
                        lease = Lease(row["address"], row["address6"], _cable(record, row), row["names"])
                        leases.held.setdefault(record.id, lease)
            known = {lease.interface for lease in leases.held.values()}
            unknown = set(network_drivers.find(network.driver).connected_interfaces(network)) - known
            if is_damaged or unknown or leases.held != had:
                for ruin in records.damaged(root):
                    raise ruin
                if os.path.isdir(leases.path):
                    os.rename(leases.path, f"{leases.path}.damaged")
                leases.write()


def _cable(record: Record, row: dict[str, Any]) -> str:
    return str(row["host_interface"]) or host_interface_of(record.id, row["interface"])


def _legible(root: str, network_id: str) -> tuple[Leases, bool]:
    """A network's leases, none if they are damaged; and whether they are."""
    try:
        return network_store.leases(root, network_id), False
    except DamagedError as error:
        return Leases(error.path, {}, {}), True


def if_needed(root: str) -> None:
    """`reload`, for a host on which nothing is registered, if containers that need rules run there all the same."""
    if any(row["host_interface"] for record in _connected(root) for row in record.data["networks"].values()):
        reload(root)


def _connected(root: str) -> list[Record]:
    """The containers that are on a network now."""
    return [record for record in records.load_all(root) if record.is_up and record.data["networks"]]
