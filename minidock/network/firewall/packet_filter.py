"""The packet filter of this host's containers: rules to match who is on which network now (`filter_state.py`).

Rules have no owner who would miss them: anybody can flush them, and what made them can be killed. So they are never
patched by guess. Everything that is to be in the kernel is a function of the registry (`filter_rules.py`), and the
registry tells at which generation the kernel held exactly that. If nobody has changed any table since, or a look at
ours finds them as they were (`kernel_tables.py`), the difference is enough, an element or two; otherwise both are
written anew, in one transaction.

A cable that does not exist any more has no rules: each writer leaves out what it does not find, whoever was killed
before taking it away.

Everything of ours is the tables `inet minidock` and `bridge minidock` and, where a chain of others drops what
containers send, a few rules commented "minidock" in that chain (`forwarding.py`). To remove all traces by hand:
`nft delete table inet minidock; nft delete table bridge minidock`, and `iptables -D` for each rule in
`iptables-save | grep -i minidock`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock import state
from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import iptables, nftables, rtnetlink
from minidock.network import routing
from minidock.network.addresses import IPV4, IPV6
from minidock.network.firewall import filter_rules, filter_state
from minidock.network.firewall.filter_rules import FilterEndpoint, FilterNetwork
from minidock.network.firewall.filter_state import UNKNOWN, FilterState
from minidock.network.port_bindings import Published

if TYPE_CHECKING:
    from minidock.network.endpoint import Endpoint
    from minidock.network.network_store import Network


def add_endpoints(
    networks: Iterable[Network],
    endpoints: Iterable[Endpoint],
    published: Mapping[str, Sequence[Published]],
    *,
    anew: bool = False,
) -> list[str]:
    """Let the packets of `endpoints`, whose cables are there, pass as their networks and published ports have it.

    `published` are the host's ports that lead to an endpoint, by the name of its cable. `anew`: whatever the kernel
    holds is replaced. Returns a warning, in a list, if this host cannot let them out: its kernel has no nf_tables, or
    it is to be no router. Its containers still reach each other and the host. Raises `HostError` instead if a port is
    to be published, and if the kernel could take the rules and does not: without them containers could take each
    other's addresses and leave internal networks, so that none is started.
    """
    segments = {network.id: _segment(network) for network in networks}
    members = {e.host_interface: _member(e, published.get(e.host_interface, ())) for e in endpoints}
    try:
        with state.locked(filter_state.lock_path()):
            old = filter_state.read()
            kept = {name: _without_ports_of(members.values(), member) for name, member in old.members.items()}
            new = old._replace(segments={**old.segments, **segments}, members={**kept, **members})
            known = old._replace(generation=UNKNOWN, rules=0) if anew else old
            failures = routing.enable(segments.values(), new.members.values())
            failures += _apply(known, new, look=iptables.legacy_in_use(ipv6=False))
        _forget_what_was_sent_to(members.values())
    except nftables.UnsupportedError as error:
        failures = [error]
    except nftables.MissingCommandError:
        raise
    except HostError as error:
        why = f"the packet filter's rules cannot be written, and no container runs without: {error}"
        raise HostError(why, exit_code=EXIT_ENGINE) from error
    if failures and any(published.values()):
        why = f"ports cannot be published on this host: {failures[0]}"
        raise HostError(why, exit_code=EXIT_ENGINE) from failures[0]
    names = " and ".join(sorted({segment.bridge for segment in segments.values()}))
    return [f"containers on {names} have no way out of this host: {error}" for error in failures[:1]]


def remove_endpoints(cables: Collection[str], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Take back the rules of cables that are gone; those of their network stay until `remove_network`.

    `meanwhile` is called once, while the kernel works on it if there is anything to do.
    """
    called: list[bool] = []

    def once() -> None:
        if not called:
            called.append(True)
            meanwhile()

    _shrink(lambda old: old._replace(
        members={name: member for name, member in old.members.items() if name not in cables}), once)  # fmt: skip
    once()


def remove_network(network_id: str) -> None:
    """Take back the rules of a network."""
    _shrink(lambda old: old._replace(segments={k: v for k, v in old.segments.items() if k != network_id}))


def repair() -> None:
    """See to it that the kernel holds what the registry has, if anybody has changed any table since it was written."""
    with state.locked(filter_state.lock_path()):
        if filter_state.is_intact() is False:
            old = filter_state.read()
            _apply(old, old, look=True)


def _shrink(change: Callable[[FilterState], FilterState], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Apply a change that takes away. What fails here is tried again by the next who writes."""
    with state.locked(filter_state.lock_path()):
        old = filter_state.read()
        if not old.segments:
            return  # nothing of ours was ever in the kernel
        new = change(old)
        try:
            _apply(old, new, look=False, meanwhile=meanwhile)
        except HostError:
            filter_state.write(new._replace(generation=UNKNOWN))
    _forget(member for name, member in old.members.items() if name not in new.members)


def _apply(
    old: FilterState, new: FilterState, *, look: bool, meanwhile: Callable[[], None] = lambda: None
) -> list[HostError]:
    """Bring the kernel from `old` to `new`, and put that on record. The caller holds the lock.

    `look`: at other people's chains too, even if nobody has changed a table of nftables. Returns what goes wrong there.
    Raises `HostError` if the kernel does not take our own rules.
    """
    failures: list[HostError] = []
    new = new._replace(
        generation=UNKNOWN,
        segments={key: segment for key, segment in new.segments.items() if rtnetlink.exists(segment.bridge)},
        members={name: member for name, member in new.members.items() if rtnetlink.exists(name)},
    )
    before = nftables.generation()
    untouched = before == old.generation
    known = untouched or _still_holds(old)
    text = _transaction(old, new, known=known)

    def beside() -> None:
        meanwhile()
        if not untouched or look or new.segments != old.segments:
            try:
                _open_passage(old, new)
            except HostError as error:
                failures.append(error)

    if text:
        known = _write(text, new, beside) and known
    else:
        beside()
    rules = old.rules if known else _rules()
    after = nftables.generation()
    if after == before + bool(text):  # otherwise somebody else has been here too, before us or after
        new = new._replace(generation=after, rules=rules)
    if not new.segments:
        with suppress(FileNotFoundError):
            os.unlink(filter_state.path())
    elif new != old:
        filter_state.write(new)
    return failures


def _write(text: str, new: FilterState, meanwhile: Callable[[], None]) -> bool:
    """Have the kernel take `text`, or all of `new` if it does not: somebody has just changed what `text` starts from.

    Returns whether it was `text`.
    """
    try:
        nftables.nft(text, meanwhile)
        return True
    except (nftables.UnsupportedError, nftables.MissingCommandError):
        raise
    except HostError:
        whole = _transaction(new, new, known=False)
        if whole == text:
            raise
        nftables.nft(whole)
        return False


def _still_holds(old: FilterState) -> bool:
    """Whether only the tables of others have changed, as most times when another engine works on this host."""
    from minidock.network.firewall import kernel_tables  # here, because most starts find everything untouched

    there = kernel_tables.read() if old.rules else None
    return there is not None and there.holds(old.elements(), old.rules)


def _rules() -> int:
    """The number that chains and rules are to be known again by, now that they are written anew."""
    from minidock.network.firewall import kernel_tables

    there = kernel_tables.read()
    return there.rules if there else 0


def _transaction(old: FilterState, new: FilterState, *, known: bool) -> str:
    """What nft has to be told."""
    if not new.segments:
        return filter_rules.empty_ruleset()
    return (
        filter_rules.changes(old.elements(), new.elements()) if known else filter_rules.complete_ruleset(new.elements())
    )


def _open_passage(old: FilterState, new: FilterState) -> None:
    """See to the chains of others. If anything is written there, the generation is one on, and the next looks again."""
    from minidock.network.firewall import forwarding  # here, because most starts need not look at what others have

    bridges = sorted({segment.bridge for segment in new.segments.values()})
    bridges6 = sorted({segment.bridge for segment in new.segments.values() if segment.subnet6})
    had_ipv6 = any(segment.subnet6 for segment in old.segments.values())
    forwarding.accept_in_forward_chains(bridges, bridges6, own=filter_rules.TABLE, ipv6=bool(bridges6) or had_ipv6)


def _without_ports_of(newcomers: Iterable[FilterEndpoint], member: FilterEndpoint) -> FilterEndpoint:
    """The member without published ports that a newcomer has: its socket says that they are its own now, so the one
    that had them has ended, and whoever undoes it has not come here yet."""
    taken = {row[:3] for newcomer in newcomers for row in newcomer.published}
    if not member.published or not taken:
        return member
    return member._replace(published=[row for row in member.published if not _is_among(row, taken)])


def _is_among(row: Published, taken: Collection[tuple[str, str, int]]) -> bool:
    """Whether the port is one of those, at the same address or one that includes the other."""
    every = ("0.0.0.0", "::")
    return any(
        (protocol, port, ":" in address) == (row.protocol, row.host_port, ":" in row.host_address)
        and (address == row.host_address or address in every or row.host_address in every)
        for protocol, address, port in taken
    )


def _forget_what_was_sent_to(members: Iterable[FilterEndpoint]) -> None:
    """Let clients that have been sending to a UDP port which led nowhere reach the container from now on."""
    from minidock.linux import conntrack  # here, because few containers publish anything

    for row in (row for member in members for row in member.published if row.protocol == "udp"):
        with suppress(OSError):  # a kernel without conntrack's netlink: the entry ends when the client is silent
            conntrack.forget_udp_port(socket.AF_INET6 if ":" in row.host_address else socket.AF_INET, row.host_port)


def _forget(members: Iterable[FilterEndpoint]) -> None:
    """Have clients that keep sending to a UDP port of these sent to whoever has the port next. TCP needs no help: a new
    connection is a new conversation."""
    from minidock.linux import conntrack  # here, because few containers publish anything

    for member in members:
        if any(row.protocol == "udp" for row in member.published):
            for address in filter(None, (member.address, member.address6)):
                with suppress(OSError):
                    conntrack.forget_answers_of(address)


def _segment(network: Network) -> FilterNetwork:
    v4, v6 = network.pool(IPV4), network.pool(IPV6)
    return FilterNetwork(
        bridge=network.interface,
        subnet=v4.subnet if v4 else "",
        subnet6=v6.subnet if v6 else "",
        internal=network.internal,
        masquerade=network.masquerades,
        icc=network.lets_containers_talk,
    )


def _member(endpoint: Endpoint, published: Sequence[Published]) -> FilterEndpoint:
    addresses = (endpoint.mac, endpoint.address, endpoint.address6)
    return FilterEndpoint(endpoint.host_interface, endpoint.bridge, *addresses, list(published))
