"""The messages of rtnetlink(7) that each start of a container on a network sends, packed with struct.

pyroute2 packs any message, and all others are packed by it (`rtnetlink.py`). To import its encoders takes 20 ms of
processor time, a tenth of a start; these few messages never change. Each function returns what follows the header
(struct nlmsghdr): a fixed part, and attributes (struct rtattr).
"""

from __future__ import annotations

import socket
import struct

# <linux/if_link.h>, <linux/veth.h>
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_NET_NS_FD = 28
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
IFLA_BRPORT_MODE = 4
VETH_INFO_PEER = 1
IFA_ADDRESS = 1  # <linux/if_addr.h>
IFA_LOCAL = 2
IFA_BROADCAST = 4
RTA_OIF = 4  # <linux/rtnetlink.h>
RTA_GATEWAY = 5


def attribute(kind: int, *parts: bytes) -> bytes:
    """One attribute, of bytes or of other attributes; the next begins at a multiple of four bytes."""
    value = b"".join(parts)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(name: str, flags: int, *attributes: bytes) -> bytes:
    """struct ifinfomsg: the interface `name`, with `flags` set (IFF_UP) and no other touched."""
    return struct.pack("=BxHiII", 0, 0, 0, flags, flags) + attribute(IFLA_IFNAME, _text(name)) + b"".join(attributes)


def veth(name: str, flags: int, master: int, mtu: int, *, peer: str, mac: str, netns_fd: int) -> bytes:
    """The interface `name` in the bridge `master`, and its peer in the network namespace `netns_fd`."""
    inner = link(
        peer,
        0,
        attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))),
        attribute(IFLA_MTU, _number(mtu)),
        attribute(IFLA_NET_NS_FD, _number(netns_fd)),
    )
    pair = attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, inner))
    kind = attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, _text("veth")), pair)
    return link(name, flags, attribute(IFLA_MTU, _number(mtu)), attribute(IFLA_MASTER, _number(master)), kind)


def hairpin(name: str) -> bytes:
    """The interface `name`, a port of a bridge, by which frames may go back that came by it."""
    data = attribute(IFLA_INFO_SLAVE_DATA, attribute(IFLA_BRPORT_MODE, b"\1"))
    return link(name, 0, attribute(IFLA_LINKINFO, attribute(IFLA_INFO_SLAVE_KIND, _text("bridge")), data))


def address(index: int, text: str, prefix: int, flags: int, broadcast: str | None) -> bytes:
    """struct ifaddrmsg. On anything but a point-to-point link, IFA_LOCAL and IFA_ADDRESS are the same."""
    family = family_of(text)
    packed = socket.inet_pton(family, text)
    result = struct.pack("=BBBBi", family, prefix, flags, 0, index)
    result += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    return result + (attribute(IFA_BROADCAST, socket.inet_pton(family, broadcast)) if broadcast else b"")


def default_route(index: int, gateway: str, table: int, protocol: int, kind: int) -> bytes:
    """struct rtmsg: the default route, by `gateway` through the interface `index`."""
    family = family_of(gateway)
    fixed = struct.pack("=BBBBBBBBI", family, 0, 0, 0, table, protocol, 0, kind, 0)
    return fixed + attribute(RTA_GATEWAY, socket.inet_pton(family, gateway)) + attribute(RTA_OIF, _number(index))


def family_of(text: str) -> int:
    """AF_INET or AF_INET6, by the form of an address."""
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _number(value: int) -> bytes:
    return struct.pack("=I", value)
