"""Remove a network: its interface, its rules in the packet filter, its files."""

from __future__ import annotations

from minidock.errors import ConflictError
from minidock.network import network_drivers, network_store
from minidock.network.firewall import packet_filter
from minidock.network.network_store import Network


def remove_network(root: str, network: Network) -> None:
    """Remove the network. The caller holds the lock of the networks.

    Raises `ConflictError` while a container holds an address of it.
    """
    driver = network_drivers.find(network.driver)
    if network_store.leases(root, network.id).held or driver.connected_interfaces(network):
        raise has_endpoints(network)
    driver.remove_interface(network)
    packet_filter.remove_network(network.id)
    network_store.delete(root, network)


def has_endpoints(network: Network) -> ConflictError:
    """The error for a network that containers are connected to, in docker's words."""
    return ConflictError(f"error while removing network: network {network.name} id {network.id} has active endpoints")
