"""Reserve a container's addresses on its networks. This writes leases (`leases.py`) and changes nothing in the kernel.

It can be repeated: addresses that the container holds already stay. `release.py` gives them back.
"""

from __future__ import annotations

from minidock import state
from minidock.errors import ConflictError, UsageError
from minidock.network import ipam, network_drivers, network_store
from minidock.network.addresses import IPV4, IPV6, Subnet, mac_of, number
from minidock.network.endpoint import Endpoint, EndpointConfig, Endpoints
from minidock.network.interface_names import container_interface, next_host_interface
from minidock.network.leases import CURE, Lease, Leases, leases_of
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.observe import step


def reserve_addresses(root: str, container_id: str, name: str, configs: dict[str, EndpointConfig]) -> Endpoints:
    """Addresses for the container on the networks of `configs` (by name): those it holds already, or free ones.

    Raises `NotFoundError` for an unknown network, `HostError` if all addresses are taken, `ConflictError` for one that
    was asked for and is in use.
    """
    endpoints: Endpoints = {}
    with step("Reserve an address", book=BOOK), network_store.locked(root):
        networks = network_store.ensure_predefined(root)
        held = leases_of(network_store.directory(root), container_id)
        taken = {leases.held[container_id].interface for leases in held}
        for network_name, config in configs.items():
            network = network_store.find(networks, network_name, "network {} not found", root=root)
            leases = network_store.leases(root, network.id)
            _check_complete(network, leases)
            network = ipam.ensure_subnet(root, network, in_use=bool(leases.held))
            lease = leases.held.get(container_id)
            if lease is None:
                lease = _new_lease(network, leases, config, next_host_interface(container_id, taken))
            lease = lease._replace(names=names_of(container_id, name, config) if network.has_names else [])
            leases.held[container_id] = lease
            leases.write()
            taken.add(lease.interface)
            endpoints[network_name] = _endpoint(network, lease, config)
    return endpoints


def _check_complete(network: Network, leases: Leases) -> None:
    """Raise `DamagedError` if an interface is connected that has no lease: its address would be given a second time."""
    known = {lease.interface for lease in leases.held.values()}
    for interface in network_drivers.find(network.driver).connected_interfaces(network):
        if interface not in known:
            raise state.DamagedError(leases.path, f"it does not know {interface}, which is on the bridge", CURE)


def names_of(container_id: str, name: str, config: EndpointConfig) -> list[str]:
    """The names under which other containers on a network find this one: name, aliases and short id, in lower case."""
    return list(dict.fromkeys(word.lower() for word in (name, *config.aliases, container_id[:12])))


def _new_lease(network: Network, leases: Leases, config: EndpointConfig, host_interface: str) -> Lease:
    """A lease with the addresses that were asked for, or else the next free ones."""
    addresses = {}
    for width, wanted in ((IPV4, config.address), (IPV6, config.address6)):
        pool = network.pool(width)
        if wanted:
            check_address(network, wanted, width)
            leases.check_free(wanted, pool.reserved_addresses if pool else ())
            addresses[width] = wanted
        elif pool:
            range_ = Subnet.parse(pool.range) if pool.range else pool.net
            addresses[width] = leases.next_free(pool.net, range_, pool.reserved_addresses)
    return Lease(addresses[IPV4], addresses.get(IPV6, ""), host_interface, [])


def check_address(network: Network, wanted: str, width: int) -> None:
    """Raise `UsageError` or `ConflictError` in docker's words for an address that does not belong to the network."""
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


def _endpoint(network: Network, lease: Lease, config: EndpointConfig) -> Endpoint:
    v4, v6 = network.pool(IPV4), network.pool(IPV6)
    assert v4 is not None, "`ipam.ensure_subnet` gives a network an IPv4 subnet"
    return Endpoint(
        network=network.id,
        bridge=network.interface,
        interface=container_interface(network.driver, network.options, lease.interface),
        host_interface=lease.interface if network_drivers.find(network.driver).IS_ROUTED else "",
        mac=config.mac or mac_of(lease.address),
        address=lease.address,
        prefix=v4.net.prefix,
        gateway="" if network.internal else v4.gateway,
        address6=lease.address6,
        prefix6=v6.net.prefix if v6 else 0,
        gateway6=v6.gateway if v6 and not network.internal else "",
        names=lease.names,
        gw_priority=config.gw_priority,
        driver=network.driver,
    )
