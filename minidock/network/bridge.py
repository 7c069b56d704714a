"""A network in the kernel: a bridge on the host, with the subnet's first address, that containers are plugged into.

    host                                     container
    eth0 <- masquerade <- minidock0 -- md1a2b3c4d5e6f ==(veth pair)== eth0 172.30.0.2, default via 172.30.0.1
                          172.30.0.1

The bridge of a network that a user makes is made with it. The default network's is made when the first container
needs it. Both are made again when they are found missing: deleted by someone, or gone with a reboot.
"""

from __future__ import annotations

import contextlib
import os
import socket

from minidock import state
from minidock.errors import ConflictError, HostError
from minidock.linux import links
from minidock.network import store
from minidock.network.addresses import IPV4, Subnet, first_free, mac_of
from minidock.network.store import Network, Pool
from minidock.observe import step

BOOK = "4.1.1"  # Mode de fonctionnement standard (bridge)
DEFAULT_MTU = 1500


def settled(root: str, network: Network, *, in_use: bool) -> Network:
    """The network with a subnet to take addresses from. The caller holds the networks' lock.

    The default network's subnet is chosen when it is used for the first time, and judged anew when its bridge is
    missing and nobody holds an address of it. Raises `HostError` if no subnet is free.
    """
    if network.pools and (in_use or not network.is_predefined or is_routed(network)):
        return network
    from minidock.network import registry  # here, because few starts come this far, and every one imports this module

    with (
        step("Choose a free subnet", book=BOOK),
        state.locked(registry.lock_path()),  # for all roots: the next to choose must see this bridge among the routes
        links.Rtnetlink() as host,
    ):
        preferred = network.pool(IPV4)
        chosen = choose(host, root, network, preferred.net if preferred else None)
        if preferred is None or chosen != preferred.net:
            network = network._replace(pools=[Pool(str(chosen), chosen.gateway, "", {})])
            store.save(root, network)
        make(host, root, network)
    return network


def choose(host: links.Rtnetlink, root: str, network: Network, preferred: Subnet | None) -> Subnet:
    """`preferred`, or else the first IPv4 subnet, that no route, address or other network overlaps."""
    chosen = first_free(claims(host, root, network), preferred)
    if chosen is None:
        path = f"{store.directory(root)}/{network.id}.json"
        raise HostError(
            "every private subnet that minidock knows collides with a route of this host (ip route show table all): "
            + (f'write a free one into {path}, as "pools": [{{"subnet": "10.1.2.0/24"}}]' if network.is_predefined
               else "choose a free one with --subnet")
        )  # fmt: skip
    return chosen


def claims(host: links.Rtnetlink, root: str, network: Network) -> dict[Subnet, str]:
    """What subnets others than `network` use, and who: its networks, and the host's routes and addresses."""
    index = socket.if_nametoindex(network.interface) if links.exists(network.interface) else -1
    own = set(network.subnets)
    taken = {}
    for seen in host.networks():
        subnet = Subnet.parse(f"{seen.address}/{seen.prefix}")
        if not (seen.interface == index and any(subnet.network in other for other in own)):
            taken[subnet] = "a route of this host (ip route show table all)"
    for other in store.load_all(root):
        if other.id != network.id:
            taken |= dict.fromkeys(other.subnets, f"network {other.name}")
    return taken


def check_free(host: links.Rtnetlink, root: str, network: Network) -> None:
    """Refuse a network whose subnets or whose bridge's name others use already, in docker's words."""
    for subnet in network.subnets:
        for taken, by in claims(host, root, network).items():
            if taken.prefix >= 8 and subnet.overlaps(taken):
                raise ConflictError(f"Pool overlaps with other one on this address space: {subnet} with {taken}, {by}")
    for other in store.load_all(root):
        if other.interface == network.interface and other.id != network.id:
            raise ConflictError(
                f"cannot create network {network.id} ({network.interface}): conflicts with network {other.id} "
                f"({other.interface}): networks have same bridge name"
            )


def is_routed(network: Network) -> bool:
    """Whether the kernel sends what is for the network to its bridge: it exists, is up and has its address."""
    subnet = network.subnets[0]
    for route in links.main_routes():
        if (route.interface, route.network, route.mask.bit_count()) == (network.interface, *subnet[:2]):
            return True
    return False


def make(host: links.Rtnetlink, root: str, network: Network) -> None:
    """Make the bridge, or what is missing of it. Several processes may do this at once."""
    name = network.interface
    with step("Create the bridge", book=BOOK):
        mac = mac_of(next(pool.gateway for pool in network.pools if pool.net.width == IPV4))
        with contextlib.suppress(FileExistsError):
            host.add_bridge(name, mac, mtu(network))
        index = socket.if_nametoindex(name)
        for pool in network.pools:
            with contextlib.suppress(FileExistsError):
                host.add_address(index, pool.gateway, pool.net.prefix, pool.net.broadcast)
        host.set_up(name)
        # The cables of containers that were on a bridge which someone deleted.
        left = [lease.interface for lease in store.leases(root, network.id).held.values()]
        left = [interface for interface in left if links.exists(interface)]
        for interface in left:
            with contextlib.suppress(OSError):
                host.set_master(interface, name)
        for interface in _with_published_ports(left):
            with contextlib.suppress(OSError):
                host.set_hairpin(interface)


def _with_published_ports(interfaces: list[str]) -> list[str]:
    """Those of the cables whose containers have published ports."""
    if not interfaces:
        return []
    from minidock.network import registry  # here, because few starts come this far, and every one imports this module

    members = registry.read().members
    return [name for name in interfaces if name in members and members[name].published]


def remove(root: str, network: Network) -> None:
    """Unmake a network: its bridge, its rules, its files. The caller holds the networks' lock.

    Raises `ConflictError` while a container holds an address.
    """
    from minidock.network import filter

    if store.leases(root, network.id).held or cables(network.interface):
        raise ConflictError(
            f"error while removing network: network {network.name} id {network.id} has active endpoints"
        )
    unmake(network)
    filter.forget(network.id)
    store.forget(root, network)


def cables(interface: str) -> list[str]:
    """The cables of containers that a bridge has, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(f"/sys/class/net/{interface}/brif") if name.startswith("md")]
    return []


def unmake(network: Network) -> None:
    """Delete the bridge, if it is there."""
    if links.exists(network.interface):
        with links.Rtnetlink() as host:
            host.delete_link(network.interface)


def mtu(network: Network) -> int:
    """What the user chose, or that of the interface behind the default route: bigger packets would be cut there."""
    if network.mtu:
        return network.mtu
    defaults = [route for route in links.main_routes() if route.mask == 0]
    if not defaults:
        return DEFAULT_MTU
    try:
        return links.mtu_of(min(defaults, key=lambda route: route.metric).interface)
    except OSError:  # it went away just now
        return DEFAULT_MTU
