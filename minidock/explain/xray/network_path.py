"""The container's network: from the interface inside over the veth pair and the bridge to the host's uplink.

Read from the kernel: rtnetlink inside and outside, the packet filter, /proc/PID/net.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

from minidock.errors import HostError
from minidock.explain.xray import nat_rules
from minidock.explain.xray.model import Cable, Listener, Network, Published
from minidock.explain.xray.processes import read
from minidock.linux import namespaces, nftables, rtnetlink
from minidock.linux.interfaces import Hop, Interface, default_routes, interfaces
from minidock.linux.openat2 import open_in_root

_LISTEN, _UNCONNECTED = "0A", "07"  # <net/tcp_states.h>; a UDP socket that receives is "closed"
_RESOLV_CONF_MAX = 1 << 16


def network_of(pid: int, shared_with: list[str], members: Iterable[int], names: dict[str, str]) -> Network:
    """The network of process `pid`. `shared_with`: the other containers in the same network namespace.

    `names`: the networks' names, by their bridges or parents.
    """
    with rtnetlink.Rtnetlink() as netlink:
        outside, ways = interfaces(netlink), default_routes(netlink)
    uplink = outside.get(ways[0].interface) if ways else None
    if namespaces.identity(pid, "network") == namespaces.identity("self", "network"):
        listening = _listeners(pid, _sockets(members))
        return Network("host", [], None, [], uplink, [], listening, _nameservers(pid), "")
    with namespaces.temporarily_in(pid, "network"):
        netlink = rtnetlink.Rtnetlink()  # belongs to the namespace in which it was opened, also after the return
    with netlink:
        inside, routes = interfaces(netlink), default_routes(netlink)
    rules, problem = _rules()
    ends = [interface for interface in inside.values() if not interface.is_loopback]
    cables = [_cable(end, outside, routes, uplink, rules) for end in ends]
    cables = [cable._replace(network=_called(cable, names)) for cable in cables]
    return Network(
        mode="shared" if shared_with else "own" if ends else "none",
        shared_with=shared_with,
        loopback=next((interface for interface in inside.values() if interface.is_loopback), None),
        cables=cables,
        uplink=uplink,
        published=_published(rules, ends),
        listening=_listeners(pid, None),
        nameservers=_nameservers(pid),
        filter=problem,
    )


def _called(cable: Cable, names: dict[str, str]) -> str:
    attached_to = cable.outside if cable.is_direct else cable.bridge
    return names.get(attached_to.name, "") if attached_to else ""


def _rules() -> tuple[nat_rules.Ruleset | None, str]:
    """The packet filter's rules, or None and why they cannot be read."""
    try:
        return nat_rules.parse(nftables.ruleset()), ""
    except HostError as error:
        return None, str(error)


def _cable(
    end: Interface,
    outside: dict[int, Interface],
    routes: list[Hop],
    uplink: Interface | None,
    rules: nat_rules.Ruleset | None,
) -> Cable:
    """Follow one interface out of the container."""
    other = outside.get(end.peer) if end.kind in ("veth", "macvlan") else None
    if other and end.kind == "veth" and other.peer != end.number:  # the same number in a third namespace
        other = None
    bridge = outside.get(other.master) if other and end.kind == "veth" else None
    gateway = next((route.gateway for route in routes if route.interface == end.number), "")
    address = next((address.partition("/")[0] for address in end.addresses), "")
    rule = None
    if rules and uplink and address and end.kind != "macvlan":
        comes_by = bridge.name if bridge else other.name if other else end.name
        rule = nat_rules.masquerade(rules, nat_rules.Packet(address, comes_by, uplink.name))
    return Cable("", end, other, bridge, gateway, rule)


def _published(rules: nat_rules.Ruleset | None, ends: list[Interface]) -> list[Published]:
    addresses = [address.partition("/")[0] for end in ends for address in end.addresses]
    return nat_rules.published(rules, addresses) if rules else []


def _sockets(members: Iterable[int]) -> set[str]:
    """The inode numbers of all sockets that the processes have open."""
    found = set()
    for pid in members:
        with suppress(OSError):  # ended meanwhile
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{name}")
                    if target.startswith("socket:["):
                        found.add(target[8:-1])
    return found


def _listeners(pid: int, only: set[str] | None) -> list[Listener]:
    """The listening sockets of the process's network namespace (proc_pid_net(5)); `only` these inodes."""
    found = set()
    for protocol, waiting in (("tcp", _LISTEN), ("tcp6", _LISTEN), ("udp", _UNCONNECTED), ("udp6", _UNCONNECTED)):
        with suppress(FileNotFoundError):  # a kernel without IPv6
            for line in read(f"/proc/{pid}/net/{protocol}").splitlines()[1:]:
                fields = line.split()
                if fields[3] == waiting and (only is None or fields[9] in only):
                    address, _, port = fields[1].partition(":")
                    found.add(Listener(protocol.removesuffix("6"), _address(address), int(port, 16)))
    return sorted(found)


def _address(text: str) -> str:
    """An address as /proc/PID/net shows it: words of four bytes, each in this machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _nameservers(pid: int) -> list[str]:
    """The servers in the container's /etc/resolv.conf. The file may be a link: no file outside is opened for it."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(root, b"etc/resolv.conf", os.O_RDONLY | os.O_NONBLOCK)
        if fd < 0:
            return []
        with open(fd, "rb") as file:
            lines = file.read(_RESOLV_CONF_MAX).decode(errors="surrogateescape").splitlines()
    except OSError:
        return []
    finally:
        os.close(root)
    return [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]
