"""Let packets pass the chains of others in the hook forward.

In netfilter every base chain of a hook sees a packet, and one `drop` ends it: an `accept` in our own table does not
help against another chain that drops. Docker sets the policy of the chain FORWARD to DROP, as ufw and many
administrators do; firewalld ends its chain with a reject. So a rule that accepts has to be in that chain. It is added
there, commented "minidock", and only there: a host that lets everything through is not changed.
"""

from __future__ import annotations

import re
import socket
from binascii import crc32
from typing import Any

from minidock.linux import iptables, nftables
from minidock.linux.nftables import Chain

MARK = "minidock"  # the beginning of the comments of our rules, by which they are found in chains of others
CHAIN = "MINIDOCK"  # our chain in the tables of iptables; one rule in a chain of others jumps to it
_DOCKERS_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")


def accept_in_forward_chains(bridges: list[str], bridges6: list[str], *, own: str, ipv6: bool) -> None:
    """Let packets of `bridges`, answers to them, and packets to published ports pass every chain that would drop them.

    It can be repeated; without bridges, all rules of ours are removed. `bridges6` are those of them that have IPv6.
    `ipv6`: also look at chains for IPv6 only, which may hold rules of ours. The table `own` is left out.
    """
    for chain in nftables.forward_chains():
        if chain.table == own or chain.family not in ("ip", "inet", *(["ip6"] if ipv6 else [])):
            continue
        command, through = ("ip6tables-nft", bridges6) if chain.family == "ip6" else ("iptables-nft", bridges)
        if not (chain.is_iptables and _open_iptables(command, through)):
            _open_nft(chain, through)
    if iptables.legacy_in_use(ipv6=False):
        _open_iptables("iptables-legacy", bridges)
    if ipv6 and iptables.legacy_in_use(ipv6=True):
        _open_iptables("ip6tables-legacy", bridges6)


def _open_iptables(command: str, bridges: list[str]) -> bool:
    """Do so with iptables; False if `command` is missing or cannot read its table."""
    there = iptables.rules(command)
    if there is None:
        return False
    # Docker rewrites its own chains whenever it starts, but never this one.
    above = "DOCKER-USER" if "-A FORWARD -j DOCKER-USER" in there else "FORWARD"
    wanted = _rules(bridges, beside_docker=above == "DOCKER-USER") if bridges and _is_closed(there) else []
    comment = f"{MARK} {crc32(repr(wanted).encode()):08x}"
    jumps = [line for line in there if line.endswith(f"-j {CHAIN}")]
    jump = f'-m comment --comment "{comment}" -j {CHAIN}'
    ours = [line for line in there if line.startswith(f"-A {CHAIN} ")]
    if (jumps, len(ours)) == ([f"-A {above} {jump}"] if wanted else [], len(wanted)):
        return True
    if wanted or f"-N {CHAIN}" in there:
        iptables.replace_chain(command, CHAIN, wanted)
    if wanted:
        iptables.change(command, "-I", above, "-m", "comment", "--comment", comment, "-j", CHAIN)
    for line in jumps:
        _, name, *_ = line.split()
        old = re.findall(r'--comment "?([^"]*?)"? -j', line)
        iptables.change(command, "-D", name, *(["-m", "comment", "--comment", old[0]] if old else []), "-j", CHAIN)
    if not wanted and f"-N {CHAIN}" in there:
        iptables.change(command, "-X", CHAIN)
    return True


def _is_closed(rules: list[str]) -> bool:
    """Whether the chain FORWARD of iptables drops packets that no rule accepts."""
    closing = ("-A FORWARD -j DROP", "-A FORWARD -j REJECT")
    return "-P FORWARD DROP" in rules or any(rule.startswith(closing) for rule in rules)


def _rules(bridges: list[str], *, beside_docker: bool) -> list[str]:
    """The rules of our chain. Packets to docker's containers return to docker's own rules."""
    lines = []
    for bridge in bridges:
        if beside_docker:
            others = [name for _, name in socket.if_nameindex() if _DOCKERS_BRIDGE.fullmatch(name)]
            lines += [f"-i {bridge} -o {name} -j RETURN" for name in sorted(others)]
        lines.append(f"-i {bridge} -j ACCEPT")
        lines.append(f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT")
    return lines


def _open_nft(chain: Chain, bridges: list[str]) -> None:
    """Do so in a chain that iptables does not manage."""
    there = nftables.chain_rules(chain)
    ours = [rule for rule in there if rule.get("comment", "").startswith(MARK)]
    others = [rule for rule in there if rule not in ours]
    closed = chain.policy == "drop" or any(map(_drops_all, others))
    names = ", ".join(f'"{bridge}"' for bridge in bridges)
    wanted = [
        f"iifname {{ {names} }} counter accept",
        f"oifname {{ {names} }} ct state established,related counter accept",
        f"oifname {{ {names} }} ct status dnat counter accept",
    ] if bridges and closed else []  # fmt: skip
    comment = f"{MARK} {crc32(repr(wanted).encode()):08x}"
    if [rule["comment"] for rule in ours] == [comment] * len(wanted):
        return
    text = "".join(f"delete rule {chain.place} handle {rule['handle']}\n" for rule in ours)
    text += "".join(f'insert rule {chain.place} {rule} comment "{comment}"\n' for rule in wanted)
    nftables.nft(text)


def _drops_all(rule: dict[str, Any]) -> bool:
    """Whether the rule drops every packet: so chains with the policy accept are closed."""
    parts = [name for part in rule["expr"] for name in part if name not in ("counter", "log")]
    return len(parts) == 1 and parts[0] in ("drop", "reject")
