"""Connect a container to its networks: interfaces, addresses, default routes, and rules in the packet filter.

It can be repeated, and killed at any instruction: `release.py` removes whatever there is of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from minidock.linux import rtnetlink
from minidock.network import network_drivers, network_store
from minidock.network.addresses import Subnet
from minidock.network.endpoint import Endpoint, Endpoints, gateway_endpoint
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.network.port_bindings import Published
from minidock.observe import step


def connect_endpoints(root: str, endpoints: Endpoints, netns_fd: int, published: Sequence[Published] = ()) -> list[str]:
    """Connect the container whose network namespace `netns_fd` is to its networks.

    `endpoints` are all that it is to have, by the networks' names; those that exist stay. `published`: ports of the
    host that lead to it. Returns warnings, one line each, for the user. After an exception `release.py` removes what
    was created.
    """
    networks = {network.id: network for network in network_store.load_all(root)}
    with rtnetlink.entered(netns_fd):
        inside = rtnetlink.Rtnetlink()
    with inside, rtnetlink.Rtnetlink() as host:
        for endpoint in endpoints.values():
            if not _exists(inside, endpoint):
                _create(host, inside, root, networks[endpoint.network], endpoint, netns_fd)
        if published and (first := gateway_endpoint(endpoints)) and first.host_interface:
            host.set_hairpin(first.host_interface)
        set_default_routes(inside, endpoints)
    if not any(endpoint.host_interface for endpoint in endpoints.values()):
        return []  # none of its packets pass this host's packet filter
    with step("Add the container to the packet filter", book=BOOK):
        return _add_to_packet_filter(networks, endpoints, published)


def _exists(inside: rtnetlink.Rtnetlink, endpoint: Endpoint) -> bool:
    return rtnetlink.exists(endpoint.host_interface) if endpoint.host_interface else inside.has(endpoint.interface)


def _create(
    host: rtnetlink.Rtnetlink,
    inside: rtnetlink.Rtnetlink,
    root: str,
    network: Network,
    endpoint: Endpoint,
    netns_fd: int,
) -> None:
    driver = network_drivers.find(network.driver)
    if not driver.is_interface_ready(network):  # a user or a reboot has removed it
        driver.create_interface(host, root, network)
    driver.create_endpoint(host, inside, network, endpoint, netns_fd)
    with step("Set the address of eth0", book=BOOK):
        index = inside.index(endpoint.interface)
        for address, prefix in ((endpoint.address, endpoint.prefix), (endpoint.address6, endpoint.prefix6)):
            if address:
                inside.add_address(index, address, prefix, Subnet.parse(f"{address}/{prefix}").broadcast)
        inside.set_up(endpoint.interface)


def set_default_routes(inside: rtnetlink.Rtnetlink, endpoints: Endpoints) -> None:
    """Route what is for none of the container's own networks to the gateway of one of them, for IPv4 and IPv6."""
    with step("Set the default route", book=BOOK):
        first = gateway_endpoint(endpoints)
        first6 = gateway_endpoint({name: endpoint for name, endpoint in endpoints.items() if endpoint.gateway6})
        if first:
            inside.set_default_route(inside.index(first.interface), first.gateway)
        if first6:
            inside.set_default_route(inside.index(first6.interface), first6.gateway6)


def _add_to_packet_filter(
    networks: dict[str, Network], endpoints: Endpoints, published: Sequence[Published]
) -> list[str]:
    from minidock.network.firewall import packet_filter  # imported late: it loads `subprocess`

    first = gateway_endpoint(endpoints)  # answers leave by the default route, so published ports lead in there
    ports = {first.host_interface: published} if first and first.host_interface else {}
    routed = [endpoint for endpoint in endpoints.values() if endpoint.host_interface]
    return packet_filter.add_endpoints([networks[endpoint.network] for endpoint in routed], routed, ports)


def import_ahead() -> None:
    """Import what `connect_endpoints` needs, which a caller can do while it waits for another process."""
    import subprocess  # noqa: F401 - for nft

    import minidock.network.firewall.packet_filter  # noqa: F401
