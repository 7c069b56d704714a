"""The network interfaces that exist: three questions to the kernel (rtnetlink(7)).

`rtnetlink.py` creates interfaces; this module only reads. Both ends of a veth(4) pair name each other by index
(IFLA_LINK), by which the host's end of a container's interface is found.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from minidock.linux import rtnetlink
from minidock.named_tuple import NamedTuple

RTM_GETLINK = 18
IFF_LOOPBACK = 8


class Interface(NamedTuple):
    """One interface; `number` is its index. `kind`: veth, bridge, ..., or "" for a device. `peer`: the index of a
    veth's other end; `master`: of the bridge that it is in; 0 for none.

    Counters are of this end: what a veth inside sends, its other end receives.
    """

    number: int
    name: str
    kind: str
    is_loopback: bool
    mac: str
    mtu: int
    is_up: bool
    addresses: list[str]
    peer: int
    master: int
    received: int
    sent: int
    received_packets: int
    sent_packets: int
    dropped: int


class Hop(NamedTuple):
    """A default route: to `gateway` ("" where there are only neighbours) by the interface of index `interface`."""

    family: int
    gateway: str
    interface: int
    metric: int


def interfaces(netlink: rtnetlink.Rtnetlink) -> dict[int, Interface]:
    """All interfaces of the namespace that `netlink` speaks to, by index, with their addresses (RTM_GETADDR)."""
    addresses: dict[int, list[str]] = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        message = rtnetlink.encoders().ifaddrmsg()
        message["family"] = family
        for answer in netlink.dump(rtnetlink.RTM_GETADDR, message, "RTM_GETADDR"):
            address = answer.get_attr("IFA_LOCAL") or answer.get_attr("IFA_ADDRESS")
            addresses.setdefault(answer["index"], []).append(f"{address}/{answer['prefixlen']}")
    answers = netlink.dump(RTM_GETLINK, rtnetlink.encoders().ifinfmsg(), "RTM_GETLINK")
    return {answer["index"]: _interface(answer, addresses.get(answer["index"], [])) for answer in answers}


def _interface(answer: Any, addresses: list[str]) -> Interface:
    info = answer.get_attr("IFLA_LINKINFO")
    counters = answer.get_attr("IFLA_STATS64") or {}
    return Interface(
        number=answer["index"],
        name=_name(answer.get_attr("IFLA_IFNAME")),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else "") or "",
        is_loopback=bool(answer["flags"] & IFF_LOOPBACK),
        mac=answer.get_attr("IFLA_ADDRESS") or "",
        mtu=answer.get_attr("IFLA_MTU") or 0,
        is_up=bool(answer["flags"] & rtnetlink.IFF_UP),
        addresses=addresses,
        peer=answer.get_attr("IFLA_LINK") or 0,
        master=answer.get_attr("IFLA_MASTER") or 0,
        received=counters.get("rx_bytes", 0),
        sent=counters.get("tx_bytes", 0),
        received_packets=counters.get("rx_packets", 0),
        sent_packets=counters.get("tx_packets", 0),
        dropped=counters.get("rx_dropped", 0) + counters.get("tx_dropped", 0),
    )


def _name(name: str | bytes) -> str:
    """An interface's name; of one that is no UTF-8 pyroute2 gives the bytes."""
    return os.fsdecode(name) if isinstance(name, bytes) else name


def default_routes(netlink: rtnetlink.Rtnetlink) -> list[Hop]:
    """The ways to everybody who is no neighbour, IPv4 before IPv6, the preferred one first."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        message = rtnetlink.encoders().rtmsg()
        message["family"] = family
        for answer in netlink.dump(rtnetlink.RTM_GETROUTE, message, "RTM_GETROUTE"):
            in_main = (answer.get_attr("RTA_TABLE") or answer["table"]) == rtnetlink.RT_TABLE_MAIN
            if in_main and answer["dst_len"] == 0 and answer["type"] == rtnetlink.RTN_UNICAST:
                gateway, index = answer.get_attr("RTA_GATEWAY") or "", answer.get_attr("RTA_OIF") or 0
                found.append(Hop(family, gateway, index, answer.get_attr("RTA_PRIORITY") or 0))
    return sorted(found, key=lambda hop: (hop.family, hop.metric))
