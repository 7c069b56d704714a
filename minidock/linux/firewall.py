"""The packet filter: nftables through the `nft` command, and the way past other people's rules.

A whole ruleset is fed to nft(8) in one go. The kernel takes all of it or nothing, so there is no moment at
which half of the rules hold, and a reader can type the same text.

In netfilter every base chain on a hook is asked, and one `drop` is the end of the packet: an `accept` in a
table of our own cannot help it past somebody else's chain that drops. Docker sets the policy of the chain
FORWARD to DROP, so do ufw and many administrators. The accept has to stand in that chain. `let_through` puts
it there, and nowhere else.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
from typing import Any, NamedTuple

from minidock.errors import HostError
from minidock.linux import programs
from minidock.observe import announced

# <linux/netlink.h>, <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x1
NFNL_SUBSYS_NFTABLES = 10
NFT_MSG_NEWGEN = 15
NFT_MSG_GETGEN = 16
NFTA_GEN_ID = 1

COMMENT = "minidock"  # on every rule that we put into somebody else's chain: to find it again
COMMAND_NOT_FOUND = 127
REPLIES = "RELATED,ESTABLISHED,DNAT"  # what may come in: answers, and what was let in by a published port


class MissingCommandError(HostError):
    """A program that minidock calls is not installed."""


class Chain(NamedTuple):
    """A base chain: one that the kernel asks about packets at a hook."""

    family: str
    table: str
    name: str
    policy: str

    @property
    def place(self) -> str:
        """The chain in a command to nft."""
        return f"{self.family} {self.table} {self.name}"

    @property
    def is_iptables(self) -> bool:
        """Whether this is where iptables keeps its FORWARD chain (the iptables that is built on nftables)."""
        return self.place == "ip filter FORWARD"


def nft(ruleset: str) -> None:
    """Have the kernel take `ruleset`. Raises `HostError` if nft refuses it."""
    _nft(["-f", "-"], ruleset)


def generation() -> int:
    """How many times the tables of this network namespace were changed so far, by anybody (NFT_MSG_GETGEN).

    30 microseconds tell whether a look at the tables, a hundred times as long, is worth it.
    """
    request = struct.pack("=IHHII4x", 20, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0)

    def ask() -> int:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        with socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER) as netlink:
            netlink.send(request)
            answer = netlink.recv(4096)
        kind, first = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=HH", answer, 20)
        if kind != NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN or first[1] != NFTA_GEN_ID:
            raise HostError("this kernel has no nf_tables: load or build the module nf_tables")
        return int(struct.unpack_from(">I", answer, 24)[0])

    return announced("netlink", ("NFT_MSG_GETGEN",), ask)


def forward_chains() -> list[Chain]:
    """Everybody's base chains that are asked about packets on their way through this host."""
    return [
        Chain(chain["family"], chain["table"], chain["name"], chain.get("policy", "accept"))
        for entry in _listing("list chains")
        if (chain := entry.get("chain")) and chain.get("hook") == "forward"
    ]


def contents(family: str, table: str) -> list[dict[str, Any]]:
    """What is in one table (libnftables-json(5)). Raises `HostError` if it is missing."""
    return _listing(f"list table {family} {table}")


def ruleset() -> list[dict[str, Any]]:
    """What is in everybody's tables (libnftables-json(5)): for looking, as others may change theirs at any time."""
    return _listing("list ruleset")


def let_through(interface: str, chains: list[Chain], own: str) -> None:
    """Let what `interface` sends, and the answers to it, pass every chain of `chains` that would drop it.

    Idempotent. The table `own` is left out. iptables' chain is changed through iptables, which would not
    recognise rules that nft writes; which of the two iptables rules a host can hold rules of both, unknown to
    each other.
    """
    for chain in chains:
        if chain.table == own or chain.family not in ("ip", "inet"):
            continue
        if not (chain.is_iptables and _let_through_iptables("iptables-nft", interface)):
            _let_through_nft(chain, interface)
    if has_legacy_filter():
        _let_through_iptables("iptables-legacy", interface)


def withdraw(interface: str, chains: list[Chain]) -> None:
    """Take back whatever `let_through` has put anywhere."""
    for chain in chains:
        for entry in _listing(f"list chain {chain.place}"):
            rule = entry.get("rule", {})
            if rule.get("comment") == COMMENT and f'"{interface}"' in json.dumps(rule["expr"]):
                nft(f"delete rule {chain.place} handle {rule['handle']}")
    commands = ["iptables-nft"] if any(chain.is_iptables for chain in chains) else []
    commands += ["iptables-legacy"] if has_legacy_filter() else []
    for command, name in itertools.product(commands, ("DOCKER-USER", "FORWARD")):
        for rule in _accepting(interface):
            while not _run([command, "-w", "-D", name, *rule]).returncode:
                pass


def _let_through_iptables(command: str, interface: str) -> bool:
    """Do it with iptables(8); False if `command` is missing or cannot read the table."""
    listed = _run([command, "-w", "-S", "FORWARD"])
    if listed.returncode:
        return False
    rules = listed.stdout.splitlines()
    closing = ("-A FORWARD -j DROP", "-A FORWARD -j REJECT")
    if "-P FORWARD DROP" not in rules and not any(rule.startswith(closing) for rule in rules):
        return True
    # Docker fills its own chains anew whenever it starts, and promises to leave this one alone.
    chain = "DOCKER-USER" if "-A FORWARD -j DOCKER-USER" in rules else "FORWARD"
    for rule in _accepting(interface):
        if _run([command, "-w", "-C", chain, *rule]).returncode:
            done = _run([command, "-w", "-I", chain, *rule])
            if done.returncode:
                raise HostError(f"{command}: {_first_line(done.stderr)}")
    return True


def _accepting(interface: str) -> list[list[str]]:
    """The rules, in iptables' words."""
    mark = ["-m", "comment", "--comment", COMMENT, "-j", "ACCEPT"]
    return [["-i", interface, *mark], ["-o", interface, "-m", "conntrack", "--ctstate", REPLIES, *mark]]


def _let_through_nft(chain: Chain, interface: str) -> None:
    """Do it in a chain that iptables has no hand in."""
    rules = [entry["rule"] for entry in _listing(f"list chain {chain.place}") if "rule" in entry]
    if any(rule.get("comment") == COMMENT for rule in rules):
        return  # they were written together
    if chain.policy != "drop" and not any(map(_drops_all, rules)):
        return
    nft("".join(
        f'insert rule {chain.place} {match} counter accept comment "{COMMENT}"\n'
        for match in (f'iifname "{interface}"',
                      f'oifname "{interface}" ct state established,related',
                      f'oifname "{interface}" ct status dnat')
    ))  # fmt: skip


def _drops_all(rule: dict[str, Any]) -> bool:
    """Whether the rule asks nothing and ends every packet: how chains with policy accept are closed."""
    parts = [name for part in rule["expr"] for name in part if name not in ("counter", "log")]
    return len(parts) == 1 and parts[0] in ("drop", "reject")


def has_legacy_filter() -> bool:
    """Whether the older iptables, which nft does not see, has a filter table in this network namespace.

    Asked of /proc, because asking iptables-legacy would load the module and make the table.
    """
    try:
        with open("/proc/thread-self/net/ip_tables_names", encoding="ascii") as file:
            return "filter" in file.read().split()
    except FileNotFoundError:
        return False


def _listing(command: str) -> list[dict[str, Any]]:
    """What the list command prints, a list of tagged objects.

    One command at a time: of several, nft 1.0 lists what the first one has made it read. And not through
    standard input, which with -j it tries to read as JSON first, and then finds empty.
    """
    listed: list[dict[str, Any]] = json.loads(_nft(["-j", command]))["nftables"]
    return listed


def _nft(arguments: list[str], text: str | None = None) -> str:
    done = _run(["nft", *arguments], text)
    if done.returncode == COMMAND_NOT_FOUND:
        raise MissingCommandError(
            "the command nft is missing, and containers' way out with it: "
            "install the package nftables, or run with --network none"
        )
    if done.returncode:
        raise HostError(f"nft: {_first_line(done.stderr)}")
    return done.stdout


def _run(command: list[str], text: str | None = None) -> programs.Done:
    """Run a command. One that is not installed returns what a shell would say, 127."""
    try:
        return programs.run(command, text)
    except FileNotFoundError:
        return programs.Done(COMMAND_NOT_FOUND, "", f"{command[0]}: not found")


def _first_line(text: str) -> str:
    """The line that says what went wrong: warnings come before it, the rule's text after it."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "Warning"))]
    return lines[0].rpartition("Error: ")[2].strip() if lines else "failed, and said nothing"
