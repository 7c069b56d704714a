"""The network driver `bridge`: a bridge on the host, with the subnet's first address, that containers are connected to.

    host                                     container
    eth0 <- masquerade <- minidock0 -- md1a2b3c4d5e6f ==(veth pair)== eth0 172.30.0.2, default via 172.30.0.1
                          172.30.0.1

The bridge of a network that a user creates is created with it; that of the default network, when the first container
needs it. Both are created again when they are missing: deleted by somebody, or gone after a reboot.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minidock.errors import ConflictError, UsageError
from minidock.linux import rtnetlink
from minidock.network import network_store
from minidock.network.addresses import IPV4, mac_of, number
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.network.endpoint import Endpoint

NAME = "bridge"
INTERFACE_LABEL = "Bridge"
IS_ROUTED = True
DEFAULT_MTU = 1500
IFNAMSIZ = 15  # <linux/if.h>, without the zero at the end
_PREFIX = "com.docker.network.bridge."
_BOOLEANS = (f"{_PREFIX}enable_icc", f"{_PREFIX}enable_ip_masquerade")
_TRUTHS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_IFACE_PREFIX = "com.docker.network.container_iface_prefix"
_MTU = "com.docker.network.driver.mtu"
_MTU_MIN, _MTU_MAX = 68, 65535  # <linux/if_ether.h>, ETH_MIN_MTU and ETH_MAX_MTU


def check_options(options: Mapping[str, str]) -> None:
    """Raise `UsageError` in the words of docker's driver for an option's wrong value."""
    for name in _BOOLEANS:
        if name in options and options[name] not in _TRUTHS:
            raise UsageError(f"failed to parse {name} value: {options[name]} (it is true or false)")
    if _MTU in options:
        if not re.fullmatch(r"-?\d+", options[_MTU]):
            raise UsageError(f"failed to parse {_MTU} value: {options[_MTU]} (it is a number of bytes)")
        if not _MTU_MIN <= int(options[_MTU]) <= _MTU_MAX:
            raise UsageError(f"invalid MTU number: {options[_MTU]} (it is {_MTU_MIN} to {_MTU_MAX})")
    if address := options.get(f"{_PREFIX}host_binding_ipv4"):
        try:
            number(address)
        except ValueError:
            raise UsageError(f"failed to parse {_PREFIX}host_binding_ipv4 value: {address}") from None
    for name in (f"{_PREFIX}name", _IFACE_PREFIX):
        text = options.get(name, "x")
        room = IFNAMSIZ if name.endswith("name") else IFNAMSIZ - 2  # leaves room for the number
        if not 0 < len(os.fsencode(text)) <= room or re.search(r"[\s/:%]", text) or text in (".", ".."):
            raise UsageError(f"invalid {name}: {text!r} is no name of an interface (at most {room} bytes)")
    if re.search(r"\d$", options.get(_IFACE_PREFIX, "")):
        raise UsageError("invalid com.docker.network.container_iface_prefix: an interface's number is put after it")


def interface_name(network_id: str, options: Mapping[str, str]) -> str:
    """The bridge's name; the kernel allows 15 characters (IFNAMSIZ)."""
    return options.get(f"{_PREFIX}name") or f"mdbr-{network_id[:10]}"


def interface_prefix(options: Mapping[str, str]) -> str:
    """The name of interfaces in containers, without their number."""
    return options.get(_IFACE_PREFIX, "eth")


def validate(root: str, network: Network) -> Network:
    """Raise `ConflictError` in docker's words if the bridge's name is taken."""
    if rtnetlink.exists(network.interface):
        raise ConflictError(f"cannot create network {network.id}: an interface {network.interface} exists already")
    for other in network_store.load_all(root):
        if other.interface == network.interface and other.id != network.id:
            raise ConflictError(
                f"cannot create network {network.id} ({network.interface}): conflicts with network {other.id} "
                f"({other.interface}): networks have same bridge name"
            )
    return network


def is_interface_ready(network: Network) -> bool:
    """Whether the kernel routes the network's subnet to its bridge: the bridge exists, is up and has its address."""
    subnet = network.subnets[0]
    for route in rtnetlink.main_routes():
        if (route.interface, route.network, route.mask.bit_count()) == (network.interface, *subnet[:2]):
            return True
    return False


def create_interface(host: rtnetlink.Rtnetlink, root: str, network: Network) -> None:
    """Create the bridge, or the missing part of it. Several processes may do this at the same time."""
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
        # Interfaces of containers whose bridge somebody has deleted.
        left = [lease.interface for lease in network_store.leases(root, network.id).held.values()]
        left = [interface for interface in left if rtnetlink.exists(interface)]
        for interface in left:
            with contextlib.suppress(OSError):
                host.set_master(interface, name)
        for interface in _with_published_ports(left):
            with contextlib.suppress(OSError):
                host.set_hairpin(interface)


def _with_published_ports(interfaces: list[str]) -> list[str]:
    """Those of the interfaces whose containers have published ports."""
    if not interfaces:
        return []
    from minidock.network.firewall import filter_state  # imported late: few starts need it

    endpoints = filter_state.read().endpoints
    return [name for name in interfaces if name in endpoints and endpoints[name].published]


def connected_interfaces(network: Network) -> list[str]:
    """The interfaces of containers in the bridge; none if it does not exist."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(f"/sys/class/net/{network.interface}/brif") if name.startswith("md")]
    return []


def create_endpoint(
    host: rtnetlink.Rtnetlink, _: rtnetlink.Rtnetlink, network: Network, endpoint: Endpoint, netns_fd: int
) -> None:
    """Create the veth pair between the bridge and the container."""
    with step("Create the veth pair", book=BOOK):
        host.add_veth(endpoint.host_interface, endpoint.bridge, mtu(network),
                      peer=endpoint.interface, mac=endpoint.mac, netns_fd=netns_fd)  # fmt: skip


def remove_interface(network: Network) -> None:
    """Delete the bridge, if it exists."""
    if rtnetlink.exists(network.interface):
        with rtnetlink.Rtnetlink() as host:
            host.delete_link(network.interface)


def mtu(network: Network) -> int:
    """The MTU that the user chose, or that of the interface of the default route: larger packets would be fragmented
    there.
    """
    if network.mtu:
        return network.mtu
    defaults = [route for route in rtnetlink.main_routes() if route.mask == 0]
    if not defaults:
        return DEFAULT_MTU
    try:
        return rtnetlink.mtu_of(min(defaults, key=lambda route: route.metric).interface)
    except OSError:  # it has just been deleted
        return DEFAULT_MTU
