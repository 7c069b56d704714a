"""Connection tracking: the flows that the kernel remembers, and how to delete them.

The packet filter translates only the first packet of a flow by its rules. The others follow what was recorded then
(nf_conntrack). For TCP that is as long as the connection exists. UDP has no connections: a client that keeps sending
from one port keeps its entry alive, and would send for ever to the address of a container that has ended, or nowhere,
if it began before there was a container. `conntrack -D` does what this module does.

The messages are those of <linux/netfilter/nfnetlink_conntrack.h>, over netlink(7). The kernel searches its table and
returns the matching entries (CTA_FILTER, Linux 5.8; an older kernel returns all, and they are searched here). Even an
empty table takes the kernel ten milliseconds to walk, so this is done only for published UDP ports.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

from minidock.linux import netlink
from minidock.named_tuple import NamedTuple

NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET = 1
IPCTNL_MSG_CT_DELETE = 2
CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_ZONE = 18
CTA_FILTER = 25
CTA_FILTER_ORIG_FLAGS = 1
CTA_FILTER_REPLY_FLAGS = 2
CTA_TUPLE_IP = 1
CTA_TUPLE_PROTO = 2
CTA_IP_SRC = {socket.AF_INET: 1, socket.AF_INET6: 3}  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
CTA_PROTO_NUM = 1
CTA_PROTO_DST_PORT = 3
# What of a tuple the kernel is to compare (nf_conntrack_netlink.c, enum ctnetlink_filter).
FILTER_IP_SRC = 1 << 0
FILTER_PROTO_NUM = 1 << 3
FILTER_PROTO_DST_PORT = 1 << 5


class Side(NamedTuple):
    """What to match in one direction of a flow: the source address, or protocol and destination port."""

    source: bytes | None = None
    protocol: int = 0
    port: int = 0

    def __str__(self) -> str:
        if self.source:
            family = socket.AF_INET if len(self.source) == 4 else socket.AF_INET6
            return f"source {socket.inet_ntop(family, self.source)}"
        return f"protocol {self.protocol} port {self.port}"


def forget_answers_of(address: str) -> int:
    """Delete all flows whose answers come from `address`; returns their number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return _forget(family, CTA_TUPLE_REPLY, Side(source=socket.inet_pton(family, address)))


def forget_udp_port(family: socket.AddressFamily, port: int) -> int:
    """Delete all flows to a UDP port, at any address; returns their number."""
    return _forget(family, CTA_TUPLE_ORIG, Side(protocol=socket.IPPROTO_UDP, port=port))


def _forget(family: socket.AddressFamily, direction: int, side: Side) -> int:
    """Delete the flows that match `side` in this direction."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER) as end:
        doomed = _find(end, family, direction, side)
        for entry in doomed:
            _delete(end, family, entry)
    return len(doomed)


def _find(end: socket.socket, family: int, direction: int, side: Side) -> list[bytes]:
    """The attributes that identify each matching entry: its original tuple, and its zone if it has one."""
    flags = FILTER_IP_SRC if side.source else FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT
    which = CTA_FILTER_ORIG_FLAGS if direction == CTA_TUPLE_ORIG else CTA_FILTER_REPLY_FLAGS
    attributes = _attribute(CTA_FILTER | NLA_F_NESTED, _attribute(which, struct.pack("=I", flags)))
    attributes += _attribute(direction | NLA_F_NESTED, _tuple(family, side))
    _send(end, f"IPCTNL_MSG_CT_GET {side}", IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, attributes)
    found: list[bytes] = []
    for kind, payload in _answers(end):
        if kind == NLMSG_DONE:
            return found
        if kind == NLMSG_ERROR:
            _check(payload)
            return found
        parts = {number: (content, raw) for number, content, raw in _attributes(payload[4:])}
        if _matches(parts[direction][0], family, side):
            found.append(b"".join(parts[number][1] for number in (CTA_TUPLE_ORIG, CTA_ZONE) if number in parts))
    return found


def _delete(end: socket.socket, family: int, entry: bytes) -> None:
    _send(end, "IPCTNL_MSG_CT_DELETE", IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family, entry)
    for kind, payload in _answers(end):
        if kind == NLMSG_ERROR:
            _check(payload, ignore=errno.ENOENT)  # it has just ended
            return


def _tuple(family: int, side: Side) -> bytes:
    if side.source:
        source = _attribute(CTA_IP_SRC[socket.AddressFamily(family)], side.source)
        return _attribute(CTA_TUPLE_IP | NLA_F_NESTED, source)
    ports = _attribute(CTA_PROTO_NUM, bytes([side.protocol]))
    ports += _attribute(CTA_PROTO_DST_PORT, struct.pack(">H", side.port))
    return _attribute(CTA_TUPLE_PROTO | NLA_F_NESTED, ports)


def _matches(tuple_: bytes, family: int, side: Side) -> bool:
    parts = {number: content for number, content, _ in _attributes(tuple_)}
    if side.source:
        addresses = {number: content for number, content, _ in _attributes(parts[CTA_TUPLE_IP])}
        return addresses.get(CTA_IP_SRC[socket.AddressFamily(family)]) == side.source
    proto = {number: content for number, content, _ in _attributes(parts[CTA_TUPLE_PROTO])}
    port = struct.pack(">H", side.port)
    return proto.get(CTA_PROTO_NUM) == bytes([side.protocol]) and proto.get(CTA_PROTO_DST_PORT) == port


def _send(end: socket.socket, what: str, kind: int, flags: int, family: int, attributes: bytes) -> None:
    """A message: struct nlmsghdr, struct nfgenmsg, attributes."""
    payload = struct.pack("=BBH", family, 0, 0) + attributes
    header = (16 + len(payload), NFNL_SUBSYS_CTNETLINK << 8 | kind, NLM_F_REQUEST | flags, 1, 0)
    netlink.send(end, what, struct.pack("=IHHII", *header) + payload)


def _answers(end: socket.socket) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each message of the answer."""
    while True:
        data = netlink.receive(end)
        offset = 0
        while offset < len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            yield kind, data[offset + 16 : offset + length]
            offset += (length + 3) & ~3


def _attribute(kind: int, content: bytes) -> bytes:
    """struct nlattr, padded to four bytes."""
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(type, content, the whole attribute) of each attribute in a row of them."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        end = offset + ((length + 3) & ~3)
        yield kind & NLA_TYPE_MASK, data[offset + 4 : offset + length], data[offset:end]
        offset = end


def _check(payload: bytes, *, ignore: int = 0) -> None:
    """Raise what a struct nlmsgerr says, unless it says 0 or `ignore`."""
    number = -struct.unpack_from("=i", payload)[0]
    if number not in (0, ignore):
        raise OSError(number, f"connection tracking: {os.strerror(number)}")
