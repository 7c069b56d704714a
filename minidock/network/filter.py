"""The packet filter of this host's containers: who is on which network now, and rules to match.

    /run/minidock/filter-<namespace>.json    networks, cables and published ports that the rules are made of

Rules have no owner who would miss them: anybody can flush them, and what made them can be killed. So they are never
patched by guess. Everything that is to be in the kernel is a function of this file (`ruleset.py`), and the file tells
at which generation the kernel held exactly that. If nobody has changed any table since, the difference is enough, an
element or two; otherwise both tables are written anew, in one transaction. It is one file for all roots (`--root`) of
this network namespace, as they share its packet filter, and gone after a reboot, as the rules are.

A cable that does not exist any more has no rules: each writer leaves out what it does not find, whoever was killed
before taking it away.

Everything of ours is the tables `inet minidock` and `bridge minidock` and, where a chain of others drops what
containers send, a few rules commented "minidock" in that chain (`passage.py`). To remove all traces by hand:
`nft delete table inet minidock; nft delete table bridge minidock`, and `iptables -D` for each rule in
`iptables-save | grep -i minidock`.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from minidock import state
from minidock.errors import HostError
from minidock.linux import firewall, iptables, links, syscalls
from minidock.network import passage, ruleset
from minidock.network.addresses import IPV4, IPV6
from minidock.network.published import Published
from minidock.network.ruleset import Member, Segment

if TYPE_CHECKING:
    from minidock.network.endpoints import Endpoint
    from minidock.network.store import Network

RUN = "/run/minidock"
SO_NETNS_COOKIE = 71  # <asm-generic/socket.h>
UNKNOWN = -1  # a generation that no kernel has: what it holds is anybody's guess
IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
IP6_FORWARD = "/proc/sys/net/ipv6/conf/all/forwarding"


class Registry(NamedTuple):
    """The file's content. Segments have keys that their makers choose; members have their cables' names."""

    generation: int
    segments: dict[str, Segment]
    members: dict[str, Member]

    def elements(self) -> ruleset.Elements:
        """What is in the kernel's sets if it holds exactly this."""
        return ruleset.elements(list(self.segments.values()), list(self.members.values()))


def admit(
    networks: Iterable[Network], endpoints: Iterable[Endpoint], published: Mapping[str, Sequence[Published]]
) -> list[str]:
    """Let the packets of `endpoints`, whose cables are there, pass as their networks and published ports have it.

    `published` are the host's ports that lead to an endpoint, by the name of its cable. Returns a warning, in a list,
    if this host cannot: its containers still reach each other and the host. Raises `HostError` instead if a port is to
    be published, and `MissingCommandError` if there is no nft.
    """
    segments = {network.id: _segment(network) for network in networks}
    members = {e.host_interface: _member_of(e, published.get(e.host_interface, [])) for e in endpoints}
    try:
        _route(segments.values(), members.values())
        with state.locked(lock_path()):
            old = _read()
            new = old._replace(segments={**old.segments, **segments}, members={**old.members, **members})
            _apply(old, new, must_look=iptables.legacy_in_use(ipv6=False))
        _forget_what_was_sent_to(members.values())
    except firewall.MissingCommandError:
        raise
    except HostError as error:
        if any(published.values()):
            raise
        names = " and ".join(sorted({segment.bridge for segment in segments.values()}))
        return [f"containers on {names} have no way out of this host: {error}"]
    return []


def dismiss(cables: Collection[str]) -> None:
    """Take back the rules of cables that are gone; those of their network stay until `forget`."""
    _shrink(lambda old: Registry(UNKNOWN, old.segments, {
        name: member for name, member in old.members.items() if name not in cables}))  # fmt: skip


def forget(key: str) -> None:
    """Take back the rules of a network."""
    _shrink(lambda old: Registry(UNKNOWN, {k: v for k, v in old.segments.items() if k != key}, old.members))


def lock_path() -> str:
    """What is held while something shared by all roots (`--root`) of this host is changed."""
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    return f"{RUN}/network.lock"


def path() -> str:
    """The registry of the network namespace that we are in."""
    return f"{RUN}/filter-{_namespace()}.json"


def _namespace() -> int:
    """A number that no other network namespace has or will have until the next boot (SO_NETNS_COOKIE, Linux 5.14)."""
    with socket.socket(socket.AF_UNIX) as any_socket:
        try:
            return int(struct.unpack("=Q", any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0])
        except OSError:
            return os.stat("/proc/thread-self/ns/net").st_ino


def _shrink(change: Callable[[Registry], Registry]) -> None:
    """Apply a change that takes away. What fails here is tried again by the next who writes."""
    with state.locked(lock_path()):
        old = _read()
        new = change(old)
        if old.generation == UNKNOWN and not old.members and not old.segments:
            return  # nothing of ours was ever in the kernel
        try:
            _apply(old, new, must_look=False)
        except HostError:
            _write(new)
    _forget([member for name, member in old.members.items() if member.published and name not in new.members])


def _forget_what_was_sent_to(members: Iterable[Member]) -> None:
    """Let clients that have been sending to a UDP port which led nowhere reach the container from now on."""
    from minidock.linux import conntrack  # here, because few containers publish anything

    for row in (row for member in members for row in member.published if row.protocol == "udp"):
        with suppress(OSError):  # a kernel without conntrack's netlink: the entry ends when the client is silent
            conntrack.forget_udp_port(socket.AF_INET6 if ":" in row.host_address else socket.AF_INET, row.host_port)


def _forget(members: list[Member]) -> None:
    """Let nobody talk to addresses any more that may be another container's soon."""
    from minidock.linux import conntrack  # here, because few containers publish anything

    for address in (address for member in members for address in (member.address, member.address6) if address):
        with suppress(OSError):
            conntrack.forget_address(address)


def _apply(old: Registry, new: Registry, *, must_look: bool) -> None:
    """Bring the kernel from `old` to `new`, and put that on record. The caller holds the lock."""
    new = Registry(
        UNKNOWN,
        {key: segment for key, segment in new.segments.items() if links.exists(segment.bridge)},
        {name: member for name, member in new.members.items() if links.exists(name)},
    )
    before = firewall.generation()
    known = before == old.generation
    wanted = new.elements()
    if not new.segments:
        text = ruleset.nothing()
    else:
        text = ruleset.changes(old.elements(), wanted) if known else ruleset.whole(wanted)
    if text:
        firewall.nft(text)
    after = firewall.generation()
    bridges = sorted({segment.bridge for segment in new.segments.values()})
    if not known or must_look or new.segments != old.segments:
        ipv6 = any(segment.subnet6 for segment in (*new.segments.values(), *old.segments.values()))
        passage.keep_open(bridges, own=ruleset.TABLE, ipv6=ipv6)
    # Somebody else may have changed a table between two of our looks: then we do not know what is there.
    if after == before + bool(text):
        after = firewall.generation() if not known or must_look else after
        new = new._replace(generation=after)
    if not new.segments:
        with suppress(FileNotFoundError):
            os.unlink(path())
    elif new != old:
        _write(new)


def _read() -> Registry:
    try:
        content = state.read_json(path())
    except FileNotFoundError:
        return Registry(UNKNOWN, {}, {})
    return Registry(
        content["generation"],
        {key: Segment(**row) for key, row in content["segments"].items()},
        {name: _member(row) for name, row in content["members"].items()},
    )


def _member(row: dict[str, Any]) -> Member:
    return Member(**{**row, "published": [Published(**published) for published in row["published"]]})


def _write(registry: Registry) -> None:
    """Not waiting for the disk, as a reboot makes it worthless anyway."""
    members = {
        name: {**member._asdict(), "published": [row._asdict() for row in member.published]}
        for name, member in registry.members.items()
    }
    segments = {key: segment._asdict() for key, segment in registry.segments.items()}
    content = {"generation": registry.generation, "segments": segments, "members": members}
    state.write_json(path(), content, durable=False)


def _segment(network: Network) -> Segment:
    v4, v6 = network.pool(IPV4), network.pool(IPV6)
    return Segment(
        bridge=network.interface,
        subnet=v4.subnet if v4 else "",
        subnet6=v6.subnet if v6 else "",
        internal=network.internal,
        masquerade=network.masquerades,
        icc=network.lets_containers_talk,
    )


def _member_of(endpoint: Endpoint, published: Sequence[Published]) -> Member:
    addresses = (endpoint.mac, endpoint.address, endpoint.address6)
    return Member(endpoint.host_interface, endpoint.bridge, *addresses, list(published))


def _route(segments: Iterable[Segment], members: Iterable[Member]) -> None:
    """Turn the host into a router, unless it is one already (ip-sysctl.rst in the kernel's documentation)."""
    _set_sysctl(IP_FORWARD, "1")
    if any(segment.subnet6 for segment in segments):
        _set_sysctl(IP6_FORWARD, "1")
    for bridge in {member.bridge for member in members if member.published}:
        # 127.0.0.1 leads nowhere but to the host itself, unless an interface is told to take it.
        _set_sysctl(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1")


def _set_sysctl(name: str, value: str) -> None:
    try:
        with open(name, encoding="ascii") as file:
            if file.read().strip() == value:
                return
        fd = syscalls.open(name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            syscalls.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise HostError(f"cannot write {name}: {error.strerror}") from None
