"""Network interfaces, addresses and routes through rtnetlink(7), on a plain socket.

What `ip link`, `ip address` and `ip route` do is a message to the kernel (netlink(7)) and its acknowledgement. A
container needs six of them. pyroute2 knows how messages are built: its encoders (`ifinfmsg`, `ifaddrmsg`, `rtmsg`)
build them, but for those of every start (`link_messages.py`), and this module sends them, one at a time, so that each
can be shown, timed and made to fail.

A container's network is a namespace of its own (network_namespaces(7)), connected to the host by a veth(4) pair: what
goes in at one end comes out at the other. One end is inside, the other is in a bridge, a software switch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

from minidock.linux import link_messages, syscalls
from minidock.linux.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RouteSocket
from minidock.named_tuple import NamedTuple

# <linux/rtnetlink.h>
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_NEWADDR = 20
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
RT_TABLE_MAIN = 254
RTPROT_BOOT = 3
RTN_UNICAST = 1
IFF_UP = 1  # <linux/if.h>
SIOCGIFMTU = 0x8921  # <linux/sockios.h>
SIOCGIFINDEX = 0x8933
IFA_F_NODAD = 0x2  # <linux/if_addr.h>
MACVLAN_MODES = {"bridge": 4, "private": 1, "vepa": 2, "passthru": 8}  # <linux/if_link.h>


class Network(NamedTuple):
    """The addresses that an address or a route of this host covers, and its interface (its index; 0 for none)."""

    address: str
    prefix: int
    interface: int


def encoders() -> Any:
    """pyroute2's message classes, as a namespace `.ifinfmsg`, `.ifaddrmsg`, `.rtmsg`, imported at the first call.

    `pyroute2/__init__.py` imports the whole library, asyncio and sqlite with it: 180 ms. The messages need a tenth of
    that. So an empty package with the search path of the real one takes its place during the import, and is removed
    afterwards: a later `import pyroute2` imports the real one.
    """
    if _encoders:
        return _encoders[0]
    from importlib.util import find_spec, module_from_spec

    stands_in = "pyroute2" not in sys.modules
    if stands_in:
        spec = find_spec("pyroute2")
        if spec is None:
            raise ModuleNotFoundError("No module named 'pyroute2'", name="pyroute2")
        sys.modules["pyroute2"] = module_from_spec(spec)
    try:
        from types import SimpleNamespace

        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
        from pyroute2.netlink.rtnl.rtmsg import rtmsg
    finally:
        if stands_in:
            del sys.modules["pyroute2"]
    _encoders.append(SimpleNamespace(ifaddrmsg=ifaddrmsg, ifinfmsg=ifinfmsg, rtmsg=rtmsg))
    return _encoders[0]


_encoders: list[Any] = []


class Rtnetlink(RouteSocket):
    """A netlink socket. It belongs to the network namespace in which it was opened, wherever it is used."""

    def index(self, name: str) -> int:
        """The number of an interface in this socket's namespace, by ioctl (netdevice(7)), which any socket accepts.

        Raises `OSError`.
        """
        answer = fcntl.ioctl(self.socket, SIOCGIFINDEX, struct.pack("16s24x", name.encode()))
        return int(struct.unpack_from("i", answer, 16)[0])

    def has(self, name: str) -> bool:
        """Whether an interface of that name exists in this socket's namespace."""
        try:
            self.index(name)
        except OSError:
            return False
        return True

    def add_bridge(self, name: str, mac: str, mtu: int) -> None:
        """RTM_NEWLINK: add a bridge that forwards at once.

        Without an address of its own, a bridge takes the lowest of its ports' and changes it as containers come and go,
        while their neighbours still have the old one cached.
        """
        data = {"attrs": [("IFLA_BR_FORWARD_DELAY", 0)]}
        kind = {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", data)]}
        attributes = [("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu), ("IFLA_LINKINFO", kind)]
        self._link(f"RTM_NEWLINK {name} type bridge", name, attributes, up=True, create=True)

    def add_veth(self, name: str, bridge: str, mtu: int, *, peer: str, mac: str, netns_fd: int) -> None:
        """RTM_NEWLINK: add a veth pair: `name` here, up and in `bridge`, and `peer` in the namespace `netns_fd`.

        All in one message: half of it exists at no time. The peer is created in its namespace, so its name cannot clash
        with one of the host's. It cannot be created up, as it has no peer yet (ENOTCONN).
        """
        what = f"RTM_NEWLINK {name} master {bridge} type veth peer {peer} netns {netns_fd}"
        body = link_messages.veth(name, IFF_UP, self.index(bridge), mtu, peer=peer, mac=mac, netns_fd=netns_fd)
        self.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, what)

    def add_macvlan(self, name: str, parent: str, mode: str, *, mac: str, netns_fd: int) -> None:
        """RTM_NEWLINK: add a link in the namespace `netns_fd`, up, that sends and receives by `parent`, which is here.

        In the mode passthru it gets the hardware address of its parent instead of `mac`.
        """
        data = {"attrs": [("IFLA_MACVLAN_MODE", MACVLAN_MODES[mode])]}
        kind = {"attrs": [("IFLA_INFO_KIND", "macvlan"), ("IFLA_INFO_DATA", data)]}
        attributes = [("IFLA_LINK", self.index(parent)), ("IFLA_ADDRESS", mac), ("IFLA_NET_NS_FD", netns_fd),
                      ("IFLA_LINKINFO", kind)]  # fmt: skip
        what = f"RTM_NEWLINK {name} link {parent} type macvlan mode {mode} netns {netns_fd}"
        self._link(what, name, attributes, up=True, create=True)

    def add_vlan(self, name: str, parent: str, number: int) -> None:
        """RTM_NEWLINK: add an interface for the frames on `parent` with the tag `number` (IEEE 802.1Q), up."""
        data = {"attrs": [("IFLA_VLAN_ID", number)]}
        kind = {"attrs": [("IFLA_INFO_KIND", "vlan"), ("IFLA_INFO_DATA", data)]}
        attributes = [("IFLA_LINK", self.index(parent)), ("IFLA_LINKINFO", kind)]
        self._link(f"RTM_NEWLINK {name} link {parent} type vlan id {number}", name, attributes, up=True, create=True)

    def add_dummy(self, name: str) -> None:
        """RTM_NEWLINK: add an interface that leads nowhere, up."""
        kind = {"attrs": [("IFLA_INFO_KIND", "dummy")]}
        self._link(f"RTM_NEWLINK {name} type dummy", name, [("IFLA_LINKINFO", kind)], up=True, create=True)

    def set_mac(self, name: str, mac: str) -> None:
        """RTM_NEWLINK: give `name` the hardware address `mac`."""
        self._link(f"RTM_NEWLINK {name} address {mac}", name, [("IFLA_ADDRESS", mac)])

    def set_master(self, name: str, bridge: str) -> None:
        """RTM_NEWLINK: add `name` to `bridge`."""
        attributes = [("IFLA_MASTER", self.index(bridge))]
        self._link(f"RTM_NEWLINK {name} master {bridge}", name, attributes)

    def set_hairpin(self, name: str) -> None:
        """RTM_NEWLINK: let the bridge send a frame back through `name`, the port by which it came.

        A switch never does that. But with br_netfilter the packet filter may redirect a frame in the bridge to the
        container that sent it, when that uses a published port of its own.
        """
        self.request(RTM_NEWLINK, 0, link_messages.hairpin(name), f"RTM_NEWLINK {name} type bridge_slave hairpin on")

    def set_up(self, name: str) -> None:
        """RTM_NEWLINK: set `name` up."""
        self.request(RTM_NEWLINK, 0, link_messages.link(name, IFF_UP), f"RTM_NEWLINK {name} up")

    def delete_link(self, name: str) -> None:
        """RTM_DELLINK: delete `name`, with the other end if it is one of a veth pair."""
        self.request(RTM_DELLINK, 0, link_messages.link(name, 0), f"RTM_DELLINK {name}")

    def add_address(self, index: int, address: str, prefix: int, broadcast: str | None = None) -> None:
        """RTM_NEWADDR: give the interface `address`, in a subnet with that `prefix`.

        An IPv6 address is usable at once. Otherwise the kernel would ask for a second whether a neighbour has it
        (duplicate address detection, RFC 4862), which is known here.
        """
        flags = IFA_F_NODAD if link_messages.family_of(address) == socket.AF_INET6 else 0
        body = link_messages.address(index, address, prefix, flags, broadcast)
        self.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, f"RTM_NEWADDR {address}/{prefix} dev {index}")

    def set_default_route(self, index: int, gateway: str) -> None:
        """RTM_NEWROUTE: replace the default route by one to `gateway`."""
        body = link_messages.default_route(index, gateway, RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST)
        what = f"RTM_NEWROUTE default via {gateway} dev {index}"
        self.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body, what)

    def networks(self) -> list[Network]:
        """RTM_GETADDR, RTM_GETROUTE: what the addresses and routes (of every table) of this host cover."""
        found = []
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            message = encoders().ifaddrmsg()
            message["family"] = family
            for answer in self.dump(RTM_GETADDR, message, "RTM_GETADDR"):
                found.append(Network(answer.get_attr("IFA_ADDRESS"), answer["prefixlen"], answer["index"]))
            message = encoders().rtmsg()
            message["family"] = family
            for answer in self.dump(RTM_GETROUTE, message, "RTM_GETROUTE"):
                to, index = answer.get_attr("RTA_DST") or everywhere, answer.get_attr("RTA_OIF") or 0
                found.append(Network(to, answer["dst_len"], index))
        return found

    def _link(
        self, what: str, name: str, attributes: list[tuple[str, Any]], up: bool = False, create: bool = False
    ) -> None:
        message = encoders().ifinfmsg()
        message["attrs"] = [("IFLA_IFNAME", name), *attributes]
        if up:
            message["flags"] = message["change"] = IFF_UP
        self.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL if create else 0, message, what)


@contextlib.contextmanager
def entered(netns_fd: int) -> Iterator[None]:
    """Run the `with` block with this thread in network namespace `netns_fd`: setns(2) moves one thread."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(netns_fd, syscalls.CLONE_NEWNET)
        try:
            yield
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)


def exists(name: str) -> bool:
    """Whether the interface exists in this network namespace, by ioctl.

    `/sys/class/net` would show the namespace of the process that mounted it (sysfs(5)).
    """
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def mtu_of(name: str) -> int:
    """The largest packet that interface `name` takes, in bytes (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFMTU, struct.pack("16s24x", name.encode()))
    return int(struct.unpack_from("i", answer, 16)[0])


class Route(NamedTuple):
    """A line of /proc/net/route. Addresses and masks are numbers; a `mask` of 0 is the default route."""

    interface: str
    network: int
    mask: int
    metric: int


def main_routes() -> list[Route]:
    """The main routing table from /proc/net/route (proc(5)), which every start reads, without netlink."""
    with open("/proc/thread-self/net/route", encoding="ascii") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    return [Route(line[0], _number(line[1]), _number(line[7]), int(line[6])) for line in lines]


def _number(shown: str) -> int:
    """An address as /proc/net/route shows it: its four bytes as a number of this machine's byte order."""
    return socket.ntohl(int(shown, 16))


def is_missing(error: OSError) -> bool:
    """Whether `error` says that an interface does not exist."""
    return error.errno == errno.ENODEV
