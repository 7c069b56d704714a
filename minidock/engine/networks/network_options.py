"""Check the options of a new network: from docker's flags to a `Network` that is not created yet.

Error messages are docker's (its client's cli/command/network/create.go and its bridge driver's).
"""

from __future__ import annotations

import os
import re

from minidock import state
from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple
from minidock.network import network_drivers, predefined
from minidock.network.addresses import IPV4, IPV6, Subnet, number
from minidock.network.network_store import Network, Pool

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


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
    driver = network_drivers.find(asked.driver)
    driver.check_options(asked.options)
    pools = _pools(asked)
    network_id = os.urandom(32).hex()
    return Network(
        id=network_id,
        name=asked.name,
        driver=asked.driver,
        created=state.now(),
        interface=driver.interface_name(network_id, asked.options),
        pools=pools,
        chosen=any(pool.net.width == IPV4 for pool in pools),
        internal=asked.internal,
        ipv6=asked.ipv6 or any(pool.net.width == IPV6 for pool in pools),
        attachable=asked.attachable,
        labels=asked.labels,
        options=asked.options,
    )


def _check_name(name: str) -> None:
    if name in predefined.DRIVERS or name == "default":
        raise UsageError(f"operation is not permitted on predefined {name} network")
    if not _NAME.fullmatch(name):
        raise UsageError(f"invalid network name {name!r}, only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed")


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
            raise UsageError(f"{asked.driver} driver doesn't support multiple subnets")
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
