"""The packet filter of this host's containers: rules for the endpoints that exist now (`filter_state.py`).

Anybody can flush rules, and a process that writes some can be killed. So rules are never corrected one by one. All that
is to be in the kernel is a function of the recorded state (`filter_rules.py`), which also has the generation at which
the kernel held exactly that. If no table has changed since, or ours are still as they were (`kernel_tables.py`), only
the difference is applied, an element or two; otherwise both tables are written again, in one transaction.

An interface that does not exist any more gets no rules, so a process that was killed before it could remove them leaves
none for long.

Everything of ours is the tables `inet minidock` and `bridge minidock` and, where a chain of others drops packets of
containers, a few rules commented "minidock" in that chain (`forwarding.py`). To remove all by hand: `nft delete table
inet minidock; nft delete table bridge minidock`, and `iptables -D` for each rule in `iptables-save | grep -i minidock`.
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
from minidock.network import ip_forwarding
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
    """Let the packets of `endpoints`, whose interfaces exist, pass as their networks and published ports allow.

    `published` are ports of the host that lead to an endpoint, by its interface on the host. `anew`: replace the tables
    whatever the kernel holds. Returns a warning, in a list, if this host cannot let packets out: its kernel has no
    nf_tables, or the host must not become a router. Containers still reach each other and the host then. Raises
    `HostError` instead if a port is to be published, or if the kernel could apply the rules and fails: without rules,
    containers could use each other's addresses and leave internal networks, so none is started.
    """
    added_networks = {network.id: _filter_network(network) for network in networks}
    added = {e.host_interface: _filter_endpoint(e, published.get(e.host_interface, ())) for e in endpoints}
    try:
        with state.locked(filter_state.lock_path()):
            old = filter_state.read()
            kept = {name: _without_ports_of(added.values(), endpoint) for name, endpoint in old.endpoints.items()}
            new = old._replace(networks={**old.networks, **added_networks}, endpoints={**kept, **added})
            known = old._replace(generation=UNKNOWN, rules=0) if anew else old
            failures = ip_forwarding.enable(added_networks.values(), new.endpoints.values())
            failures += _apply(known, new, look=iptables.legacy_in_use(ipv6=False))
        _forget_what_was_sent_to(added.values())
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
    names = " and ".join(sorted({network.bridge for network in added_networks.values()}))
    return [f"containers on {names} have no way out of this host: {error}" for error in failures[:1]]


def remove_endpoints(interfaces: Collection[str], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Remove the rules of interfaces that are gone; those of their network stay until `remove_network`.

    `meanwhile` is called once, while the kernel works if there is anything to remove.
    """
    called: list[bool] = []

    def once() -> None:
        if not called:
            called.append(True)
            meanwhile()

    def without(old: FilterState) -> FilterState:
        kept = {name: endpoint for name, endpoint in old.endpoints.items() if name not in interfaces}
        return old._replace(endpoints=kept)

    _shrink(without, once)
    once()


def remove_network(network_id: str) -> None:
    """Remove the rules of a network."""
    _shrink(lambda old: old._replace(networks={k: v for k, v in old.networks.items() if k != network_id}))


def repair() -> None:
    """Write the rules again if the kernel does not hold what is recorded."""
    with state.locked(filter_state.lock_path()):
        if filter_state.is_intact() is False:
            old = filter_state.read()
            _apply(old, old, look=True)


def _shrink(change: Callable[[FilterState], FilterState], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Apply a change that only removes. If it fails, the next process that writes rules tries again."""
    with state.locked(filter_state.lock_path()):
        old = filter_state.read()
        if not old.networks:
            return  # nothing of ours was ever in the kernel
        new = change(old)
        try:
            _apply(old, new, look=False, meanwhile=meanwhile)
        except HostError:
            filter_state.write(new._replace(generation=UNKNOWN))
    _forget(endpoint for name, endpoint in old.endpoints.items() if name not in new.endpoints)


def _apply(
    old: FilterState, new: FilterState, *, look: bool, meanwhile: Callable[[], None] = lambda: None
) -> list[HostError]:
    """Bring the kernel from `old` to `new`, and record that. The caller holds the lock.

    `look`: also look at chains of others, even if no table of nftables has changed. Returns errors there. Raises
    `HostError` if the kernel refuses our own rules.
    """
    failures: list[HostError] = []
    new = new._replace(
        generation=UNKNOWN,
        networks={key: network for key, network in new.networks.items() if rtnetlink.exists(network.bridge)},
        endpoints={name: endpoint for name, endpoint in new.endpoints.items() if rtnetlink.exists(name)},
    )
    before = nftables.generation()
    untouched = before == old.generation
    known = untouched or _still_holds(old)
    text = _transaction(old, new, known=known)

    def beside() -> None:
        meanwhile()
        if not untouched or look or new.networks != old.networks:
            try:
                _open_forward_chains(old, new)
            except HostError as error:
                failures.append(error)

    if text:
        known = _write(text, new, beside) and known
    else:
        beside()
    rules = old.rules if known else _rules()
    after = nftables.generation()
    if after == before + bool(text):  # otherwise another program has changed tables in between
        new = new._replace(generation=after, rules=rules)
    if not new.networks:
        with suppress(FileNotFoundError):
            os.unlink(filter_state.path())
    elif new != old:
        filter_state.write(new)
    return failures


def _write(text: str, new: FilterState, meanwhile: Callable[[], None]) -> bool:
    """Apply `text`; or all of `new`, if that fails because somebody has just changed what `text` builds on.

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
    """Whether our tables are unchanged, as usual when another engine has changed its own."""
    from minidock.network.firewall import kernel_tables  # imported late: most starts find everything unchanged

    there = kernel_tables.read() if old.rules else None
    return there is not None and there.holds(old.elements(), old.rules)


def _rules() -> int:
    """The checksum of chains and rules, now that they are written again, for later comparison."""
    from minidock.network.firewall import kernel_tables

    there = kernel_tables.read()
    return there.rules if there else 0


def _transaction(old: FilterState, new: FilterState, *, known: bool) -> str:
    """The input for nft that leads from `old` to `new`."""
    if not new.networks:
        return filter_rules.empty_ruleset()
    return (
        filter_rules.changes(old.elements(), new.elements()) if known else filter_rules.complete_ruleset(new.elements())
    )


def _open_forward_chains(old: FilterState, new: FilterState) -> None:
    """Let packets pass the chains of others. If that changes a table, the generation differs, and the next process
    looks again.
    """
    from minidock.network.firewall import forwarding  # imported late: most starts do not need it

    bridges = sorted({network.bridge for network in new.networks.values()})
    bridges6 = sorted({network.bridge for network in new.networks.values() if network.subnet6})
    had_ipv6 = any(network.subnet6 for network in old.networks.values())
    forwarding.accept_in_forward_chains(bridges, bridges6, own=filter_rules.TABLE, ipv6=bool(bridges6) or had_ipv6)


def _without_ports_of(added: Iterable[FilterEndpoint], endpoint: FilterEndpoint) -> FilterEndpoint:
    """The endpoint without the ports that a new one publishes.

    The new one has bound them, so the container that had them has ended, and its rules are still to be removed.
    """
    taken = {row[:3] for new in added for row in new.published}
    if not endpoint.published or not taken:
        return endpoint
    return endpoint._replace(published=[row for row in endpoint.published if not _is_among(row, taken)])


def _is_among(row: Published, taken: Collection[tuple[str, str, int]]) -> bool:
    """Whether the port is one of those, at the same address or one that contains the other."""
    every = ("0.0.0.0", "::")
    return any(
        (protocol, port, ":" in address) == (row.protocol, row.host_port, ":" in row.host_address)
        and (address == row.host_address or address in every or row.host_address in every)
        for protocol, address, port in taken
    )


def _forget_what_was_sent_to(endpoints: Iterable[FilterEndpoint]) -> None:
    """Forget UDP flows to ports that led nowhere so far, so that their clients now reach the container."""
    from minidock.linux import conntrack  # imported late: few containers publish ports

    for row in (row for endpoint in endpoints for row in endpoint.published if row.protocol == "udp"):
        with suppress(OSError):  # a kernel without conntrack's netlink: the entry ends when the client is silent
            conntrack.forget_udp_port(socket.AF_INET6 if ":" in row.host_address else socket.AF_INET, row.host_port)


def _forget(endpoints: Iterable[FilterEndpoint]) -> None:
    """Forget UDP flows to these endpoints, so that their clients reach the next one that has the port.

    TCP needs no help: a new connection is looked up again.
    """
    from minidock.linux import conntrack  # imported late: few containers publish ports

    for endpoint in endpoints:
        if any(row.protocol == "udp" for row in endpoint.published):
            for address in filter(None, (endpoint.address, endpoint.address6)):
                with suppress(OSError):
                    conntrack.forget_answers_of(address)


def _filter_network(network: Network) -> FilterNetwork:
    v4, v6 = network.pool(IPV4), network.pool(IPV6)
    return FilterNetwork(
        bridge=network.interface,
        subnet=v4.subnet if v4 else "",
        subnet6=v6.subnet if v6 else "",
        internal=network.internal,
        masquerade=network.masquerades,
        icc=network.lets_containers_talk,
    )


def _filter_endpoint(endpoint: Endpoint, published: Sequence[Published]) -> FilterEndpoint:
    addresses = (endpoint.mac, endpoint.address, endpoint.address6)
    return FilterEndpoint(endpoint.host_interface, endpoint.bridge, *addresses, list(published))
