"""The way out: containers share the host's address towards the world.

Their own addresses mean nothing outside. On the way out the kernel writes the host's address in their place
(masquerading, source NAT) and remembers the connection, so that it can undo it for the answer.

Everything of ours is the table `ip minidock` and, where a chain of others drops what containers send, two
or three rules commented "minidock" in that chain (`linux/firewall.py`). To remove all traces by hand:
`nft delete table ip minidock`, and `iptables -D` for each rule in `iptables-save | grep minidock`.
"""

from __future__ import annotations

import os
from typing import Any

from minidock import state
from minidock.errors import HostError
from minidock.linux import firewall, syscalls
from minidock.network.addresses import Subnet

TABLE = "minidock"
RUN = "/run/minidock"
IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"

# Containers cannot be reached from outside by their own address, only through a published port (DNAT), as in
# docker.
RULES = """\
add table ip minidock
add set ip minidock subnets {{ type ipv4_addr; flags interval; }}
add element ip minidock subnets {{ {subnet} }}
add chain ip minidock postrouting {{ type nat hook postrouting priority srcnat; }}
flush chain ip minidock postrouting
add rule ip minidock postrouting ip saddr @subnets oifname != "{bridge}" masquerade comment "way out"
add chain ip minidock forward {{ type filter hook forward priority filter; }}
flush chain ip minidock forward
add rule ip minidock forward oifname != "{bridge}" accept comment "from containers"
add rule ip minidock forward iifname "{bridge}" accept comment "between containers"
add rule ip minidock forward ct state established,related accept comment "answers"
add rule ip minidock forward ct status dnat accept comment "published ports"
add rule ip minidock forward drop comment "all else to containers"
"""


def open_way_out(bridge: str, subnet: Subnet) -> list[str]:
    """Have the kernel forward and masquerade what comes from `subnet` by way of `bridge`.

    Looks every time, as rules can go at any moment (`nft flush ruleset`), and writes only what is missing.
    Returns a warning, in a list, if this host cannot: its containers still reach each other and the host.
    Raises `MissingCommandError` if there is no nft.
    """
    try:
        _forward()
        chains = firewall.forward_chains()
        if not _complete(_contents(chains), subnet):
            # Any number may do this at once: each of them writes the same whole.
            firewall.nft(RULES.format(bridge=bridge, subnet=subnet))
        with state.locked(lock_path()):  # what follows looks and inserts in two calls
            firewall.let_through(bridge, chains, own=TABLE)
    except firewall.MissingCommandError:
        raise
    except HostError as error:
        return [f"containers on {bridge} have no way out of this host: {error}"]
    return []


def lock_path() -> str:
    """What is held while something shared by all roots (`--root`) of this host is changed."""
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    return f"{RUN}/network.lock"


def close_way_out(bridge: str, subnet: Subnet) -> None:
    """Forget `subnet`; every rule goes with the last."""
    chains = firewall.forward_chains()
    known = _subnets(_contents(chains))
    if known == {str(subnet)}:
        firewall.nft(f"delete table ip {TABLE}")
        firewall.withdraw(bridge, [chain for chain in chains if chain.table != TABLE])
    elif str(subnet) in known:
        firewall.nft(f"delete element ip {TABLE} subnets {{ {subnet} }}")


def _forward() -> None:
    """Turn the host into a router, unless it is one already (ip-sysctl.rst in the kernel's documentation)."""
    with open(IP_FORWARD, encoding="ascii") as file:
        if file.read().strip() == "1":
            return
    try:
        fd = syscalls.open(IP_FORWARD, os.O_WRONLY | os.O_CLOEXEC)
        try:
            syscalls.write(fd, b"1")
        finally:
            os.close(fd)
    except OSError as error:
        raise HostError(f"cannot write {IP_FORWARD}: {error.strerror}") from None


def _contents(chains: list[firewall.Chain]) -> list[dict[str, Any]]:
    """Our table, as far as it is there. It has a chain among those of everybody."""
    there = any((chain.family, chain.table) == ("ip", TABLE) for chain in chains)
    return firewall.contents("ip", TABLE) if there else []


def _complete(objects: list[dict[str, Any]], subnet: Subnet) -> bool:
    """Whether the table holds our rules (known by their comments), in order, and knows the subnet."""
    rules = [entry["rule"].get("comment") for entry in objects if "rule" in entry]
    wanted = [line.split('"')[-2] for line in RULES.splitlines() if line.startswith("add rule")]
    return [rule for rule in rules if rule in wanted] == wanted and str(subnet) in _subnets(objects)


def _subnets(objects: list[dict[str, Any]]) -> set[str]:
    """The elements of the set of subnets."""
    found = set()
    for entry in objects:
        if entry.get("set", {}).get("name") == "subnets":
            for element in entry["set"].get("elem", []):
                prefix = element["prefix"]
                found.add(f"{prefix['addr']}/{prefix['len']}")
    return found
