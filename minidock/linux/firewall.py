"""The packet filter: nftables through the `nft` command, and the way past other people's rules.

A whole ruleset is fed to nft(8) in one go. The kernel takes all of it or nothing, so there is no moment at
which half of the rules hold, and a reader can type the same text.

In netfilter every base chain on a hook is asked, and one `drop` is the end of the packet: an `accept` in a
table of our own cannot help it past somebody else's chain that drops. Docker sets the policy of the chain
FORWARD to DROP, so do ufw and many administrators. The accept has to stand in that chain. `let_through` puts
it there, and nowhere else.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any, NamedTuple

from minidock.errors import HostError
from minidock.observe import announced

COMMENT = "minidock"  # on every rule that we put into somebody else's chain: to find it again
REPLIES = "RELATED,ESTABLISHED,DNAT"  # what may come in: answers, and what was let in by a published port


class Chain(NamedTuple):
    """A base chain: one that the kernel asks about packets at a hook."""

    family: str
    table: str
    name: str
    policy: str


def nft(ruleset: str, *, json_output: bool = False) -> str:
    """Feed `ruleset` to `nft -f -` and return what it prints.

    Raises `HostError` with nft's first line if it refuses, or if there is no nft.
    """
    try:
        done = _run(["nft", "-j", "-f", "-"] if json_output else ["nft", "-f", "-"], ruleset)
    except FileNotFoundError as error:
        raise HostError("the command nft is missing, and containers' way out with it: "
                        "install the package nftables, or run with --network none") from error  # fmt: skip
    if done.returncode:
        raise HostError(f"nft: {_first_line(done.stderr)}")
    return done.stdout


def table(family: str, name: str) -> tuple[list[Chain], list[dict[str, Any]]]:
    """All base chains on the forward hook, and the contents of one table: [] if there is no such table.

    One call of nft for both, at the price of a second one when the table is missing, which is so once.
    """
    objects: list[dict[str, Any]] = []
    try:
        listing = _listing(f"list table {family} {name}\nlist chains\n")
        objects = [entry for entry in listing if _within(entry, family, name)]
    except HostError:
        listing = _listing("list chains\n")
    chains = {
        Chain(c["family"], c["table"], c["name"], c.get("policy", "accept"))
        for entry in listing
        if (c := entry.get("chain")) and c.get("hook") == "forward"
    }
    return sorted(chains), objects


def let_through(interface: str, chains: list[Chain], own: str) -> None:
    """Let what `interface` sends, and the answers to it, pass every chain of `chains` that would drop it.

    Idempotent. The table `own` is left out. iptables' chain is changed through iptables, which would not
    recognise rules that nft writes; which of the two iptables rules a host can hold rules of both, unknown to
    each other.
    """
    for chain in chains:
        if chain.table == own or chain.family not in ("ip", "inet"):
            continue
        is_iptables = chain[:3] == ("ip", "filter", "FORWARD")
        if not (is_iptables and _let_through_iptables("iptables-nft", interface)):
            _let_through_nft(chain, interface)
    if _legacy_filter_in_use():
        _let_through_iptables("iptables-legacy", interface)


def _let_through_iptables(command: str, interface: str) -> bool:
    """Do it with iptables(8); False if `command` is missing or cannot read the table."""
    try:
        listed = _run([command, "-w", "-S", "FORWARD"])
    except FileNotFoundError:
        return False
    if listed.returncode:
        return False
    rules = listed.stdout.splitlines()
    closing = ("-A FORWARD -j DROP", "-A FORWARD -j REJECT")
    if "-P FORWARD DROP" not in rules and not any(rule.startswith(closing) for rule in rules):
        return True
    # Docker empties and fills its own chains when it starts again, and promises to leave this one alone.
    chain = "DOCKER-USER" if "-A FORWARD -j DOCKER-USER" in rules else "FORWARD"
    mark = ["-m", "comment", "--comment", COMMENT, "-j", "ACCEPT"]
    for match in (["-i", interface], ["-o", interface, "-m", "conntrack", "--ctstate", REPLIES]):
        if _run([command, "-w", "-C", chain, *match, *mark]).returncode:
            done = _run([command, "-w", "-I", chain, *match, *mark])
            if done.returncode:
                raise HostError(f"{command}: {_first_line(done.stderr)}")
    return True


def _let_through_nft(chain: Chain, interface: str) -> None:
    """Do it in a chain that iptables has no hand in."""
    place = f"{chain.family} {chain.table} {chain.name}"
    rules = [entry["rule"] for entry in _listing(f"list chain {place}\n") if "rule" in entry]
    if any(rule.get("comment") == COMMENT for rule in rules):
        return  # they were written together
    if chain.policy != "drop" and not any(map(_drops_all, rules)):
        return
    nft("".join(
        f'insert rule {place} {match} counter accept comment "{COMMENT}"\n'
        for match in (f'iifname "{interface}"',
                      f'oifname "{interface}" ct state established,related',
                      f'oifname "{interface}" ct status dnat')
    ))  # fmt: skip


def _drops_all(rule: dict[str, Any]) -> bool:
    """Whether the rule asks nothing and ends every packet: how chains with policy accept are closed."""
    parts = [name for part in rule["expr"] for name in part if name not in ("counter", "log")]
    return len(parts) == 1 and parts[0] in ("drop", "reject")


def _legacy_filter_in_use() -> bool:
    """Whether the older iptables, which nft does not see, has a filter table in this network namespace.

    Asked of /proc, because asking iptables-legacy would load the module and make the table.
    """
    try:
        with open("/proc/thread-self/net/ip_tables_names", encoding="ascii") as file:
            return "filter" in file.read().split()
    except FileNotFoundError:
        return False


def _listing(commands: str) -> list[dict[str, Any]]:
    """What the list commands print: one JSON document per command, each a list of tagged objects."""
    found: list[dict[str, Any]] = []
    for line in nft(commands, json_output=True).splitlines():
        found += json.loads(line)["nftables"]
    return found


def _within(entry: dict[str, Any], family: str, name: str) -> bool:
    (content,) = entry.values()
    return bool(content.get("family") == family and name in (content.get("table"), content.get("name")))


def _run(command: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    return announced("execve", (" ".join(command), *([text] if text else [])), run)


def _first_line(text: str) -> str:
    """The line that says what went wrong: warnings come before it, the rule's text after it."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "Warning"))]
    return lines[0].strip() if lines else "failed, and said nothing"
