"""Subnets of networks: chosen where the user names none, and compared with those that this host uses already."""

from __future__ import annotations

import socket

from minidock import state
from minidock.errors import ConflictError, HostError
from minidock.linux import rtnetlink
from minidock.network import network_drivers, network_store
from minidock.network.addresses import IPV4, IPV6, Subnet, first_free, unique_local
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network, Pool
from minidock.observe import step


def ensure_subnet(root: str, network: Network, *, in_use: bool) -> Network:
    """The network with a subnet to take addresses from. The caller holds the lock of the networks.

    The default network's subnet is chosen at its first use, and again when its bridge is missing and no container holds
    an address of it: the host's routes may be others by then. Raises `HostError` if no subnet is free.
    """
    driver = network_drivers.find(network.driver)
    if network.pools and (in_use or not network.is_predefined or driver.is_interface_ready(network)):
        return network
    from minidock.network.firewall import filter_state  # imported late: few starts need it

    # The lock is that of all roots: the next process that chooses must see this bridge among the routes.
    with (
        step("Choose a free subnet", book=BOOK),
        state.locked(filter_state.lock_path()),
        rtnetlink.Rtnetlink() as host,
    ):
        preferred = network.pool(IPV4)
        chosen = choose_subnet(host, root, network, preferred.net if preferred else None)
        if preferred is None or chosen != preferred.net:
            network = network._replace(pools=[Pool(str(chosen), chosen.gateway, "", {})])
            network_store.save(root, network)
        driver.create_interface(host, root, network)
    return network


def choose_subnet(host: rtnetlink.Rtnetlink, root: str, network: Network, preferred: Subnet | None) -> Subnet:
    """`preferred`, or else the first IPv4 subnet, that overlaps no route, address or other network."""
    chosen = first_free(used_subnets(host, root, network), preferred)
    if chosen is None:
        path = f"{network_store.directory(root)}/{network.id}.json"
        raise HostError(
            "every private subnet that minidock knows collides with a route of this host (ip route show table all): "
            + (f'write a free one into {path}, as "pools": [{{"subnet": "10.1.2.0/24"}}]' if network.is_predefined
               else "choose a free one with --subnet")
        )  # fmt: skip
    return chosen


def used_subnets(host: rtnetlink.Rtnetlink, root: str, network: Network) -> dict[Subnet, str]:
    """The subnets in use outside of `network`, with what uses them: other networks, and the host's routes and
    addresses.
    """
    index = socket.if_nametoindex(network.interface) if rtnetlink.exists(network.interface) else -1
    own = set(network.subnets)
    taken = {}
    for seen in host.networks():
        subnet = Subnet.parse(f"{seen.address}/{seen.prefix}")
        if not (seen.interface == index and any(subnet.network in other for other in own)):
            taken[subnet] = "a route of this host (ip route show table all)"
    return taken | _of_networks(root, network)


def _of_networks(root: str, network: Network) -> dict[Subnet, str]:
    others = [other for other in network_store.load_all(root) if other.id != network.id]
    return {subnet: f"network {other.name}" for other in others for subnet in other.subnets}


def check_free(host: rtnetlink.Rtnetlink, root: str, network: Network) -> None:
    """Raise `ConflictError` in docker's words for a network whose subnets are in use already.

    If the host does not route for the network (macvlan), only other networks count: the host may be on it itself.
    """
    is_routed = network_drivers.find(network.driver).IS_ROUTED
    claimed = used_subnets(host, root, network) if is_routed else _of_networks(root, network)
    for subnet in network.subnets:
        for taken, by in claimed.items():
            if taken.prefix >= 8 and subnet.overlaps(taken):
                raise ConflictError(f"Pool overlaps with other one on this address space: {subnet} with {taken}, {by}")


def with_subnets(host: rtnetlink.Rtnetlink, root: str, network: Network) -> Network:
    """The network with an IPv4 subnet, and with an IPv6 one if it is to have that, chosen where its user named none."""
    pools = list(network.pools)
    if network.pool(IPV4) is None:
        chosen = choose_subnet(host, root, network, None)
        pools.insert(0, Pool(str(chosen), chosen.gateway, "", {}))
    if network.ipv6 and network.pool(IPV6) is None:
        local = unique_local()
        pools.append(Pool(str(local), local.gateway, "", {}))
    return network._replace(pools=sorted(pools, key=lambda pool: pool.net.width))
