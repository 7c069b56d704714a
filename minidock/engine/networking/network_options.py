"""What a user asks of a new network, checked: from docker's flags to a `Network` that is not made yet.

The words of refusal are docker's (its client's cli/command/network/create.go and its bridge driver's).
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from minidock import state
from minidock.errors import UsageError
from minidock.network import store
from minidock.network.addresses import IPV4, IPV6, Subnet, number
from minidock.network.store import Network, Pool

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_BRIDGE = "com.docker.network.bridge."
_BOOLEANS = (f"{_BRIDGE}enable_icc", f"{_BRIDGE}enable_ip_masquerade")
_TRUTHS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_MTU = "com.docker.network.driver.mtu"
_MTU_MIN, _MTU_MAX = 68, 65535  # <linux/if_ether.h>, ETH_MIN_MTU and ETH_MAX_MTU
IFNAMSIZ = 15  # <linux/if.h>, without the zero at the end


class NetworkOptions(NamedTuple):
    """One field for each flag of `network create`, in the words in which it was typed."""

    name: str
    driver: str
    subnets: list[str]
    gateways: list[str]
    ranges: list[str]
    reserved: dict[str, str]
    internal: bool
    ipv6: bool
    attachable: bool
    labels: dict[str, str]
    options: dict[str, str]


def to_network(asked: NetworkOptions) -> Network:
    """The network that was asked for. It has no IPv4 pool yet if none was named. Raises `UsageError`."""
    _check_name(asked.name)
    if asked.driver in ("host", "null"):
        raise UsageError(f'only one instance of "{asked.driver}" network is allowed')
    if asked.driver != "bridge":
        raise UsageError(f'plugin "{asked.driver}" not found: minidock has the driver bridge')
    _check_options(asked.options)
    pools = _pools(asked)
    network_id = os.urandom(32).hex()
    return Network(
        id=network_id,
        name=asked.name,
        driver=asked.driver,
        created=state.now(),
        interface=asked.options.get(f"{_BRIDGE}name") or store.interface_of(network_id),
        pools=pools,
        chosen=any(pool.net.width == IPV4 for pool in pools),
        internal=asked.internal,
        ipv6=asked.ipv6 or any(pool.net.width == IPV6 for pool in pools),
        attachable=asked.attachable,
        labels=asked.labels,
        options=asked.options,
    )


def _check_name(name: str) -> None:
    if name in store.PREDEFINED or name == "default":
        raise UsageError(f"operation is not permitted on predefined {name} network")
    if not _NAME.fullmatch(name):
        raise UsageError(f"invalid network name {name!r}, only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed")


def _check_options(options: dict[str, str]) -> None:
    for name in _BOOLEANS:
        if name in options and options[name] not in _TRUTHS:
            raise UsageError(f"failed to parse {name} value: {options[name]} (it is true or false)")
    if _MTU in options:
        if not re.fullmatch(r"-?\d+", options[_MTU]):
            raise UsageError(f"failed to parse {_MTU} value: {options[_MTU]} (it is a number of bytes)")
        if not _MTU_MIN <= int(options[_MTU]) <= _MTU_MAX:
            raise UsageError(f"invalid MTU number: {options[_MTU]} (it is {_MTU_MIN} to {_MTU_MAX})")
    if address := options.get(f"{_BRIDGE}host_binding_ipv4"):
        try:
            number(address)
        except ValueError:
            raise UsageError(f"failed to parse {_BRIDGE}host_binding_ipv4 value: {address}") from None
    for name in (f"{_BRIDGE}name", "com.docker.network.container_iface_prefix"):
        text = options.get(name, "x")
        room = IFNAMSIZ if name.endswith("name") else IFNAMSIZ - 2  # for the number behind a prefix
        if not 0 < len(os.fsencode(text)) <= room or re.search(r"[\s/:%]", text) or text in (".", ".."):
            raise UsageError(f"invalid {name}: {text!r} is no name of an interface (at most {room} bytes)")
    if re.search(r"\d$", options.get("com.docker.network.container_iface_prefix", "")):
        raise UsageError("invalid com.docker.network.container_iface_prefix: an interface's number is put after it")


def _pools(asked: NetworkOptions) -> list[Pool]:
    """The subnets that were asked for, with the gateways, ranges and reserved addresses that lie in them."""
    if not asked.subnets and (asked.gateways or asked.ranges):
        raise UsageError("every ip-range or gateway must have a corresponding subnet")
    for text in asked.ranges:
        _check_range(text)
    nets = [_subnet(text) for text in asked.subnets]
    for position, net in enumerate(nets):
        if any(net.overlaps(other) for other in nets[:position]):
            raise UsageError("multiple overlapping subnet configuration is not supported")
    for width in (IPV4, IPV6):
        if sum(net.width == width for net in nets) > 1:
            raise UsageError("bridge driver doesn't support multiple subnets")
    gateways, ranges, reserved = dict[Subnet, str](), dict[Subnet, str](), dict[Subnet, dict[str, str]]()
    for text in asked.gateways:
        _once(gateways, _home(nets, text, "gateway"), text, "gateway")
    for text in asked.ranges:
        _once(ranges, _home(nets, text, "range"), text, "range")
    for name, text in asked.reserved.items():
        reserved.setdefault(_home(nets, text, "aux-address"), {})[name] = text
    return [_pool(net, gateways.get(net), ranges.get(net, ""), reserved.get(net, {})) for net in nets]


def _subnet(text: str) -> Subnet:
    try:
        if "/" not in text:
            raise ValueError("it has no prefix")
        net = Subnet.parse(text)
    except ValueError:
        raise UsageError(f"Invalid subnet {text} : invalid CIDR address: {text}") from None
    if net.prefix > net.width - 2:
        raise UsageError(f"failed to allocate gateway (): No available addresses on this pool ({text})")
    if net.prefix < 8:
        raise UsageError(f"Invalid subnet {text} : it would be the way to half of the world, /8 is the largest")
    return net


def _check_range(text: str) -> None:
    try:
        if "/" not in text:
            raise ValueError("it has no prefix")
        Subnet.parse(text)
    except ValueError:
        raise UsageError(f"invalid CIDR address: {text}") from None


def _home(nets: list[Subnet], text: str, what: str) -> Subnet:
    """The subnet in which the address or, for a range, the smaller subnet lies."""
    for net in nets:
        try:
            inner = Subnet.parse(text)
        except ValueError:
            break
        is_of_kind = what == "range" or "/" not in text
        if is_of_kind and inner.width == net.width and inner.prefix >= net.prefix and inner.network in net:
            return net
    raise UsageError(f"no matching subnet for {what} {text}")


def _once(found: dict[Subnet, str], net: Subnet, text: str, what: str) -> None:
    if net in found:
        raise UsageError(f"cannot configure multiple {what}s ({text}, {found[net]}) on the same subnet ({net})")
    found[net] = text


def _pool(net: Subnet, gateway: str | None, range_: str, reserved: dict[str, str]) -> Pool:
    """The gateway is the first address, as in docker: of the range if there is one."""
    inner = Subnet.parse(range_) if range_ else net
    chosen = gateway or (net if inner.network == net.network else inner._replace(network=inner.network - 1)).gateway
    taken = [number(address) for address in reserved.values()]
    ends = (net.network, net.last) if net.width == IPV4 else (net.network,)
    if number(chosen) in (*ends, *taken):
        raise UsageError(f"failed to allocate gateway ({chosen}): Address already in use")
    return Pool(str(net), chosen, str(inner) if range_ else "", reserved)
