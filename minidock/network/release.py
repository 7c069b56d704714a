"""Disconnect a container from its networks: delete its interfaces and rules, and give its addresses back.

It can be repeated, and works on what exists, if anything: what a killed reserve or connect has left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from minidock import state
from minidock.linux import rtnetlink
from minidock.network import network_drivers, network_store
from minidock.network.interface_names import container_interface, host_interfaces
from minidock.network.leases import Leases, leases_of
from minidock.network.network_drivers.network_driver import BOOK
from minidock.observe import step


def release_endpoints(root: str, container_id: str, network_id: str | None = None, netns_fd: int | None = None) -> None:
    """Delete the container's interfaces and leases on the network `network_id`, or on all networks.

    `netns_fd`: the container's network namespace, if it stays: an interface without a counterpart on the host is
    deleted there. A network namespace that ends deletes its end of a veth pair and so the other one, but the kernel
    does that at some later time. After this call it is done.
    """
    with (
        step("Release the container's networks", book=BOOK),
        contextlib.suppress(FileNotFoundError),
    ):
        interfaces = [leases.held[container_id].interface for leases in _leases(root, container_id, network_id)]
        if network_id:  # the container goes on: its packets are filtered until the interface is gone
            _delete_links(interfaces)
            _remove_from_packet_filter(interfaces)
        else:  # both wait for the same: that no processor is in the middle of using what is removed (RCU)
            _remove_from_packet_filter(interfaces, meanwhile=lambda: _delete_links(host_interfaces(container_id)))
        if netns_fd is not None:
            _delete_links_inside(root, container_id, network_id, netns_fd)
        with state.locked(f"{network_store.directory(root)}/lock"):
            for leases in _leases(root, container_id, network_id):
                del leases.held[container_id]
                leases.write()
            state.sweep(network_store.directory(root))


def _delete_links_inside(root: str, container_id: str, network_id: str | None, netns_fd: int) -> None:
    with rtnetlink.entered(netns_fd):
        inside = rtnetlink.Rtnetlink()
    with inside:
        for network in network_store.load_all(root):
            if network.driver not in network_drivers.NAMES or network_drivers.find(network.driver).IS_ROUTED:
                continue
            lease = network_store.leases(root, network.id).held.get(container_id)
            if lease and network_id in (None, network.id):
                interface = container_interface(network.driver, network.options, lease.interface)
                if inside.has(interface):
                    inside.delete_link(interface)


def _remove_from_packet_filter(interfaces: list[str], meanwhile: Callable[[], None] = lambda: None) -> None:
    from minidock.network.firewall import packet_filter  # imported late: it loads `subprocess`

    packet_filter.remove_endpoints(interfaces, meanwhile)


def _leases(root: str, container_id: str, network_id: str | None) -> list[Leases]:
    return leases_of(network_store.directory(root), container_id, network_id)


def _delete_links(names: list[str]) -> None:
    existing = [name for name in names if rtnetlink.exists(name)]
    if not existing:
        return
    with rtnetlink.Rtnetlink() as host:
        for name in existing:
            try:
                host.delete_link(name)
            except OSError as error:
                if not rtnetlink.is_missing(error):  # the kernel has deleted it in between
                    raise
