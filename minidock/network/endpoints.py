"""Where a container's cables end: one endpoint for each network that it is on.

`reserve` decides (addresses, on paper), `connect` does (in the kernel), `release` undoes both. Each can be
repeated, and killed at any instruction: what a killed one leaves behind, the next `release` of that container
takes away.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from minidock import state
from minidock.errors import ConflictError, UsageError
from minidock.linux import rtnetlink
from minidock.network import drivers, ipam, store
from minidock.network.addresses import IPV4, IPV6, Subnet, mac_of, number
from minidock.network.drivers import BOOK
from minidock.network.endpoint_config import Attachment
from minidock.network.leases import CURE, Lease, Leases
from minidock.network.port_bindings import Published
from minidock.network.store import Network
from minidock.observe import step


class Endpoint(NamedTuple):
    """What a container has on one network. Empty: no IPv6 there, or (gateways) no way out of it."""

    network: str  # its id
    bridge: str  # the host's interface that it is attached to: a bridge, or the parent of a macvlan link
    interface: str  # inside
    host_interface: str  # '' where it has no end on the host
    mac: str
    address: str
    prefix: int
    gateway: str
    address6: str
    prefix6: int
    gateway6: str
    names: list[str]  # by which others on this network find it
    gw_priority: int = 0
    driver: str = drivers.BRIDGE


Endpoints = dict[str, Endpoint]  # by the network's name


def reserve(root: str, container_id: str, name: str, attachments: dict[str, Attachment]) -> Endpoints:
    """Addresses for the container on the networks of `attachments` (by name): those it holds already, or free ones.

    Raises `NotFoundError` for an unknown network, `HostError` if all addresses are taken, `ConflictError` for one that
    was asked for and is in use.
    """
    made: Endpoints = {}
    with step("Reserve an address", book=BOOK), store.locked(root):
        networks = store.ensure(root)
        cables = {leases.held[container_id].interface for leases in _held(root, container_id)}
        for network_name, asked in attachments.items():
            network = store.pick(networks, network_name, "network {} not found", root=root)
            leases = store.leases(root, network.id)
            _check_all_known(network, leases)
            network = ipam.settled(root, network, in_use=bool(leases.held))
            lease = leases.held.get(container_id) or _lease(network, leases, asked, _next_cable(container_id, cables))
            lease = lease._replace(names=names_of(container_id, name, asked) if network.has_names else [])
            leases.held[container_id] = lease
            leases.write()
            cables.add(lease.interface)
            made[network_name] = _endpoint(network, lease, asked)
    return made


def _check_all_known(network: Network, leases: Leases) -> None:
    """Raise `DamagedError` if somebody is on the bridge who has no lease: two containers would get one address."""
    known = {lease.interface for lease in leases.held.values()}
    if unknown := [cable for cable in drivers.find(network.driver).attached(network) if cable not in known]:
        raise state.DamagedError(leases.path, f"it does not know {unknown[0]}, which is on the bridge", CURE)


def names_of(container_id: str, name: str, asked: Attachment) -> list[str]:
    """What the others on a network find the container by."""
    return list(dict.fromkeys(word.lower() for word in (name, *asked.aliases, container_id[:12])))


def _lease(network: Network, leases: Leases, asked: Attachment, cable: str) -> Lease:
    """A new one: the addresses that were asked for, if they can be had, or the next free ones."""
    given = {}
    for width, wanted in ((IPV4, asked.address), (IPV6, asked.address6)):
        pool = network.pool(width)
        if wanted:
            check_wanted(network, wanted, width)
            leases.check_free(wanted, pool.kept if pool else ())
            given[width] = wanted
        elif pool:
            range_ = Subnet.parse(pool.range) if pool.range else pool.net
            given[width] = leases.next(pool.net, range_, pool.kept)
    return Lease(given[IPV4], given.get(IPV6, ""), cable, [])


def check_wanted(network: Network, wanted: str, width: int) -> None:
    """Refuse an address that is none of the network's, in docker's words."""
    if not network.has_names:
        raise UsageError("user specified IP address is supported on user defined networks only")
    if not network.chosen:
        raise UsageError(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
        )
    pool = network.pool(width)
    if pool is None or number(wanted) not in pool.net:
        raise UsageError(f"Invalid address {wanted}: It does not belong to any of this network's subnets")
    if number(wanted) in (pool.net.network, pool.net.last):
        raise ConflictError(f"Address already in use: {wanted}")


def _endpoint(network: Network, lease: Lease, asked: Attachment) -> Endpoint:
    v4, v6 = network.pool(IPV4), network.pool(IPV6)
    assert v4 is not None, "a network has an IPv4 subnet when it is settled"
    return Endpoint(
        network=network.id,
        bridge=network.interface,
        interface=_inside(network, lease),
        host_interface=lease.interface if drivers.find(network.driver).IS_ROUTED else "",
        mac=asked.mac or mac_of(lease.address),
        address=lease.address,
        prefix=v4.net.prefix,
        gateway="" if network.internal else v4.gateway,
        address6=lease.address6,
        prefix6=v6.net.prefix if v6 else 0,
        gateway6=v6.gateway if v6 and not network.internal else "",
        names=lease.names,
        gw_priority=asked.gw_priority,
        driver=network.driver,
    )


def _inside(network: Network, lease: Lease) -> str:
    """What the container's interface on the network is called inside."""
    return f"{drivers.find(network.driver).prefix(network.options)}{_LETTERS.index(lease.interface[14:])}"


def connect(root: str, endpoints: Endpoints, netns_fd: int, published: Sequence[Published] = ()) -> list[str]:
    """Plug a container, whose network namespace `netns_fd` is, into its networks, and let it out.

    `endpoints` are all that it is to have, by the networks' names: those that are there already stay. `published`:
    the host's ports that lead to it. Returns warnings: one line each, to be shown to the user. After an exception
    `release` takes back what was made.
    """
    networks = {network.id: network for network in store.load_all(root)}
    with rtnetlink.entered(netns_fd):
        inside = rtnetlink.Rtnetlink()
    with inside, rtnetlink.Rtnetlink() as host:
        for endpoint in endpoints.values():
            if not _is_plugged(inside, endpoint):
                _plug(host, inside, root, networks[endpoint.network], endpoint, netns_fd)
        if published and (entrance := gateway(endpoints)) and entrance.host_interface:
            host.set_hairpin(entrance.host_interface)
        set_default_routes(inside, endpoints)
    if not any(endpoint.host_interface for endpoint in endpoints.values()):
        return []  # nothing that it sends comes by this host's packet filter
    with step("Add the container to the packet filter", book=BOOK):
        return _admit(networks, endpoints, published)


def _is_plugged(inside: rtnetlink.Rtnetlink, endpoint: Endpoint) -> bool:
    return rtnetlink.exists(endpoint.host_interface) if endpoint.host_interface else inside.has(endpoint.interface)


def _plug(
    host: rtnetlink.Rtnetlink,
    inside: rtnetlink.Rtnetlink,
    root: str,
    network: Network,
    endpoint: Endpoint,
    netns_fd: int,
) -> None:
    driver = drivers.find(network.driver)
    if not driver.is_made(network):  # deleted by someone, or gone with a reboot
        driver.make(host, root, network)
    driver.plug(host, inside, network, endpoint, netns_fd)
    with step("Set the address of eth0", book=BOOK):
        index = inside.index(endpoint.interface)
        for address, prefix in ((endpoint.address, endpoint.prefix), (endpoint.address6, endpoint.prefix6)):
            if address:
                inside.add_address(index, address, prefix, Subnet.parse(f"{address}/{prefix}").broadcast)
        inside.set_up(endpoint.interface)


def gateway(endpoints: Endpoints) -> Endpoint | None:
    """The endpoint whose gateway is the container's way to everyone else: of those that have one, that with the highest
    priority (--gw-priority), and of these the first by name.

    That is docker's rule, and the reason why connecting a container to one more network can move its default route.
    """
    ways = [(-endpoint.gw_priority, name) for name, endpoint in endpoints.items() if endpoint.gateway]
    return endpoints[min(ways)[1]] if ways else None


def set_default_routes(inside: rtnetlink.Rtnetlink, endpoints: Endpoints) -> None:
    """Have the container send what is for no neighbour to the gateway of one of its networks."""
    with step("Set the default route", book=BOOK):
        first = gateway(endpoints)
        first6 = gateway({name: e for name, e in endpoints.items() if e.gateway6})
        if first:
            inside.set_default_route(inside.index(first.interface), first.gateway)
        if first6:
            inside.set_default_route(inside.index(first6.interface), first6.gateway6)


def _admit(networks: dict[str, Network], endpoints: Endpoints, published: Sequence[Published]) -> list[str]:
    from minidock.network.firewall import apply  # here: `reserve` is on every start's path and needs it rarely

    entrance = gateway(endpoints)  # where the answers go out, the questions must come in
    through = {entrance.host_interface: published} if entrance and entrance.host_interface else {}
    mine = [endpoint for endpoint in endpoints.values() if endpoint.host_interface]
    return apply.admit([networks[endpoint.network] for endpoint in mine], mine, through)


def release(root: str, container_id: str, network_id: str | None = None, netns_fd: int | None = None) -> None:
    """Pull the cables and give the addresses back, whatever there is of either; of one network, or of all.

    `netns_fd`: the container's network namespace if that lives on: a link that has no end on the host is deleted there.
    A network namespace that ends takes its end of a cable with it and so the other, but the kernel does
    that when it finds the time. After this call it is done.
    """
    with (
        step("Release the container's networks", book=BOOK),
        contextlib.suppress(FileNotFoundError),
    ):
        cables = [leases.held[container_id].interface for leases in _held(root, container_id, network_id)]
        if network_id:  # it lives on: as long as it has the cable, what it sends has to be looked at
            _pull(cables)
            _dismiss(cables)
        else:  # both wait for the same thing, that no processor is in the middle of using what goes (RCU)
            _dismiss(cables, meanwhile=lambda: _pull(_cables(container_id)))
        if netns_fd is not None:
            _delete_inside(root, container_id, network_id, netns_fd)
        with state.locked(f"{store.directory(root)}/lock"):
            for leases in _held(root, container_id, network_id):
                del leases.held[container_id]
                leases.write()
            state.sweep(store.directory(root))


def _delete_inside(root: str, container_id: str, network_id: str | None, netns_fd: int) -> None:
    with rtnetlink.entered(netns_fd):
        inside = rtnetlink.Rtnetlink()
    with inside:
        for network in store.load_all(root):
            if network.driver not in drivers.NAMES or drivers.find(network.driver).IS_ROUTED:
                continue
            lease = store.leases(root, network.id).held.get(container_id)
            if lease and network_id in (None, network.id) and inside.has(_inside(network, lease)):
                inside.delete_link(_inside(network, lease))


def _dismiss(cables: list[str], meanwhile: Callable[[], None] = lambda: None) -> None:
    from minidock.network.firewall import apply

    apply.dismiss(cables, meanwhile)


def _held(root: str, container_id: str, network_id: str | None = None) -> list[Leases]:
    """The networks' leases among which is one of the container's. Those that cannot be read are made anew one day from
    what is on record of the containers that there are then."""
    directory = store.directory(root)
    files = [f"{network_id}.leases.json"] if network_id else os.listdir(directory)
    found = []
    for name in files:
        with contextlib.suppress(state.DamagedError):
            if name.endswith(".leases.json") and container_id in (leases := Leases.read(f"{directory}/{name}")).held:
                found.append(leases)
    return found


def _pull(names: list[str]) -> None:
    there = [name for name in names if rtnetlink.exists(name)]
    if not there:
        return
    with rtnetlink.Rtnetlink() as host:
        for name in there:
            try:
                host.delete_link(name)
            except OSError as error:
                if not rtnetlink.is_missing(error):  # the kernel was quicker
                    raise


# What the n-th cable's name ends in: nothing for eth0's. A name has at most 15 characters (IFNAMSIZ).
_LETTERS = ("", *"abcdefghijklmnopqrstuvwxyz")


def _next_cable(container_id: str, taken: Collection[str]) -> str:
    """A name for the host's end of one more cable: md and the beginning of the container's id, so that it can be found
    by that. Raises `ConflictError` if there are 27 already."""
    for letter in _LETTERS:
        if (name := f"md{container_id[:12]}{letter}") not in taken:
            return name
    raise ConflictError(f"container {container_id[:12]} is on {len(taken)} networks already, which is the limit")


def cable_of(container_id: str, interface: str) -> str:
    """The name of the host's end of the cable that belongs to an interface inside."""
    number = re.search("[0-9]*$", interface)
    return f"md{container_id[:12]}{_LETTERS[int(number[0] or 0) if number else 0]}"


def _cables(container_id: str) -> list[str]:
    """The host's ends of all cables of the container."""
    return [name for _, name in socket.if_nameindex() if name.startswith(f"md{container_id[:12]}")]


def warm_up() -> None:
    """Import what `connect` will need: 25 ms that fit beside somebody else's work."""
    import subprocess  # noqa: F401 - for nft

    import minidock.network.firewall.apply  # noqa: F401

    rtnetlink.encoders()
