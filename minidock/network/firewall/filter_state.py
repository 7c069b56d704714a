"""Who is on which network now, on this host: what the packet filter's rules are made of.

    /run/minidock/filter-<namespace>.json    networks, their containers' cables, published ports; and a generation

It is one file for all roots (`--root`) of this network namespace, as they share its packet filter, and gone after a
reboot, as the rules are. What it says is on record elsewhere too, spread over networks and containers (`network reload`
makes it from those). Here it is in one place, to be read at every start.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from minidock import state
from minidock.linux import nftables
from minidock.network.firewall import filter_rules
from minidock.network.firewall.filter_rules import FilterEndpoint, FilterNetwork
from minidock.network.port_bindings import Published
from minidock.observe import step
from minidock.shapes import Each

RUN = "/run/minidock"
SO_NETNS_COOKIE = 71  # <asm-generic/socket.h>
_SHAPE = {
    "boot": str, "generation": int, "rules": int,
    "segments": Each({"bridge": str, "subnet": str, "subnet6": str, "internal": bool, "masquerade": bool,
                            "icc": bool}),
    "members": Each({"interface": str, "bridge": str, "mac": str, "address": str, "address6": str,
                           "published": [list]}),
}  # fmt: skip
UNKNOWN = -1  # a generation that no kernel has: what it holds is anybody's guess


class FilterState(NamedTuple):
    """The file's content. Segments have keys that their makers choose; members have their cables' names.

    `rules`: the number of chains and rules as they were written (`kernel_tables.py`), 0 if nobody has looked.
    """

    generation: int
    rules: int
    segments: dict[str, FilterNetwork]
    members: dict[str, FilterEndpoint]

    def elements(self) -> filter_rules.Elements:
        """What is in the kernel's sets if it holds exactly this."""
        return filter_rules.elements(list(self.segments.values()), list(self.members.values()))


def is_intact() -> bool | None:
    """Whether our rules are as they were written, or serve nobody: who comes next looks again. None without registry.

    The kernel counts changes of any table. Where others make many (another engine on this host), writing ours anew
    after each would cost every command as much as a whole start.
    """
    with step("Read the packet filter's generation", book="4.1.1"):
        content = _content()
        if not content:
            return None
        generation = _generation(content)
        serves_nobody = generation != UNKNOWN and not content["members"]
        return serves_nobody or generation == nftables.generation()


def lock_path() -> str:
    """What is held while something shared by all roots (`--root`) of this host is changed."""
    return os.path.join(state.directory(RUN), "network.lock")


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


def read() -> FilterState:
    """The registry; an empty one if there is none."""
    content = _content()
    if not content:
        return FilterState(UNKNOWN, 0, {}, {})
    return FilterState(
        _generation(content),
        content.get("rules", 0) if _is_ours(content) else 0,
        {key: FilterNetwork(**row) for key, row in content["segments"].items()},
        {name: _member(row) for name, row in content["members"].items()},
    )


def _content() -> dict[str, Any]:
    """What is in the file: nothing if there is none, or one of an earlier boot (where /run outlives that), or if it is
    damaged. What it said is on record elsewhere."""
    try:
        content = state.read_json(path(), _SHAPE)
    except (FileNotFoundError, state.DamagedError):
        return {}
    return content if content["boot"] == state.boot_id() else {}


def _generation(content: dict[str, Any]) -> int:
    return int(content["generation"]) if _is_ours(content) else UNKNOWN


def _is_ours(content: dict[str, Any]) -> bool:
    """Whether the rules in the kernel are those of this version of minidock."""
    return bool(content.get("form") == filter_rules.FORM)


def _member(row: dict[str, Any]) -> FilterEndpoint:
    return FilterEndpoint(**{**row, "published": [Published(*published) for published in row["published"]]})


def write(registry: FilterState) -> None:
    """Replace the file. Not waiting for the disk, as a reboot makes it worthless anyway.

    A line for each entry, by hand: with hundreds, json's own indentation takes ten times as long.
    """
    when = {"schemaVersion": state.SCHEMA, "boot": state.boot_id(), "generation": registry.generation}
    head = json.dumps({**when, "rules": registry.rules, "form": filter_rules.FORM})[:-1]
    segments, members = _lines(registry.segments), _lines(registry.members)
    text = f'{head}, "segments": {{\n{segments}\n}}, "members": {{\n{members}\n}}}}\n'
    state.sweep(RUN)
    state.write_text(path(), text, durable=False, mode=0o600)


def _lines(entries: Mapping[str, FilterNetwork | FilterEndpoint]) -> str:
    return ",\n".join(f"    {json.dumps(key)}: {json.dumps(entry._asdict())}" for key, entry in entries.items())
