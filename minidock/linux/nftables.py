"""The packet filter: nftables through the `nft` command.

A whole ruleset is passed to nft(8) at once. The kernel applies all of it or nothing, so half of the rules are in force
at no time, and a reader can type the same text.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from minidock.errors import HostError
from minidock.linux import netlink, programs
from minidock.named_tuple import NamedTuple

# <linux/netlink.h>, <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x1
NFNL_SUBSYS_NFTABLES = 10
NFT_MSG_NEWGEN = 15
NFT_MSG_GETGEN = 16
NFTA_GEN_ID = 1
# No nfnetlink, or no nf_tables in it, even after the kernel has tried to load the module.
_NO_NF_TABLES = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EINVAL)


class MissingCommandError(HostError):
    """A program that minidock calls is not installed."""


class UnsupportedError(HostError):
    """This kernel was built without what the rules need."""


class Chain(NamedTuple):
    """A base chain: one that the kernel runs for packets at a hook."""

    family: str
    table: str
    name: str
    policy: str

    @property
    def place(self) -> str:
        """The chain as nft commands name it."""
        return f"{self.family} {self.table} {self.name}"

    @property
    def is_iptables(self) -> bool:
        """Whether this is where iptables keeps its FORWARD chain (the iptables that is built on nftables)."""
        return self.place in ("ip filter FORWARD", "ip6 filter FORWARD")


class Change:
    """A ruleset that nft is applying."""

    def __init__(self, ruleset: str) -> None:
        """Start nft. Raises `MissingCommandError` if it is not installed."""
        self._program = _begin(["-f", "-"], ruleset)

    def end(self) -> None:
        """Wait until the kernel has applied it. Raises `HostError` if nft refuses it."""
        _output(self._program.end())


def nft(ruleset: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Apply `ruleset`; `meanwhile` is called while the kernel does.

    Raises `UnsupportedError` if this kernel was built without a family of the rules, `HostError` if nft refuses them
    for any other reason.
    """
    with _begin(["-f", "-"], ruleset) as program:
        meanwhile()
        _output(program.end())


def generation() -> int:
    """How many times tables of this network namespace were changed so far, by anybody (NFT_MSG_GETGEN).

    It takes 30 microseconds, and reading the tables a hundred times as long. Raises `UnsupportedError` if this kernel
    has no nf_tables, and `HostError` if it refuses (ENOMEM, EPERM).
    """
    request = struct.pack("=IHHII4x", 20, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0)

    try:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        with socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER) as end:
            netlink.send(end, "NFT_MSG_GETGEN", request)
            return _generation_in(netlink.receive(end, lambda data: f"{{NFT_MSG_NEWGEN, id={_generation_in(data)}}}"))
    except OSError as error:
        why = error.strerror
        if error.errno in _NO_NF_TABLES:
            what = f"this kernel has no nf_tables ({why}): load or build the module nf_tables"
            raise UnsupportedError(what) from error
        raise HostError(f"the kernel does not tell the state of nf_tables: {why}") from error


def _generation_in(answer: bytes) -> int:
    if number := netlink.error_of(answer):
        raise OSError(number, os.strerror(number))
    kind, first = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=HH", answer, 20)
    if kind != NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN or first[1] != NFTA_GEN_ID:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    return int(struct.unpack_from(">I", answer, 24)[0])


def forward_chains() -> list[Chain]:
    """The base chains of all tables for packets that this host forwards."""
    return [
        Chain(chain["family"], chain["table"], chain["name"], chain.get("policy", "accept"))
        for entry in _listing("list chains")
        if (chain := entry.get("chain")) and chain.get("hook") == "forward"
    ]


def contents(tables: list[tuple[str, str]]) -> list[list[dict[str, Any]]]:
    """The content of each table (family, name), read at the same time (libnftables-json(5)).

    Raises `HostError` if one is missing.
    """
    with ExitStack() as stack:
        asked = [stack.enter_context(_begin(["-j", f"list table {family} {name}"])) for family, name in tables]
        return [json.loads(_output(program.end()))["nftables"] for program in asked]


def ruleset() -> list[dict[str, Any]]:
    """The content of all tables (libnftables-json(5)), for display: others may change theirs at any time."""
    return _listing("list ruleset")


def chain_rules(chain: Chain) -> list[dict[str, Any]]:
    """The rules of one chain (libnftables-json(5), RULE)."""
    return [entry["rule"] for entry in _listing(f"list chain {chain.place}") if "rule" in entry]


def _listing(command: str) -> list[dict[str, Any]]:
    """The output of a list command, a list of tagged objects.

    One command at a time: of several, nft 1.0 lists what the first one has made it read. And not through standard
    input, which with -j it reads as JSON first.
    """
    listed: list[dict[str, Any]] = json.loads(_output(_begin(["-j", command]).end()))["nftables"]
    return listed


def _begin(arguments: list[str], text: str | None = None) -> programs.Program:
    try:
        return programs.begin(["nft", *arguments], text)
    except FileNotFoundError:
        raise MissingCommandError(
            "the command nft is missing, and containers' way out with it: "
            "install the package nftables, or run with --network none"
        ) from None


def _output(done: programs.Done) -> str:
    if done.returncode:
        why = first_line(done.stderr)
        # What has to be loaded first can fail for many reasons (ENOENT); a family is built in, or never there.
        kind = UnsupportedError if why.endswith(os.strerror(errno.EOPNOTSUPP)) else HostError
        raise kind(f"nft: {why}")
    return done.stdout


def first_line(text: str) -> str:
    """The line with the error: warnings precede it, and the rule's text follows it."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "Warning"))]
    return lines[0].rpartition("Error: ")[2].strip() if lines else "failed, and said nothing"
