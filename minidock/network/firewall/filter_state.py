"""The recorded state of the packet filter: networks and endpoints on this host, from which its rules are made.

    /run/minidock/filter-<namespace>.json    networks, endpoints with their published ports, and the generation

It is one file for all roots (`--root`) of this network namespace, as they share its packet filter, and is gone after a
reboot, as the rules are. The same is recorded with networks and containers (`network reload` makes the file from
those). Here it is in one file, which every start reads.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from minidock import state
from minidock.linux import nftables, rootless
from minidock.named_tuple import NamedTuple
from minidock.network.firewall import filter_rules
from minidock.network.firewall.filter_rules import FilterEndpoint, FilterNetwork
from minidock.network.port_bindings import Published
from minidock.observe import step
from minidock.shapes import Each

# Of a user without root's rights, the namespace is his alone, and so is the directory.
RUN = os.environ["MINIDOCK_RUN"] if rootless.is_on() else "/run/minidock"
SO_NETNS_COOKIE = 71  # <asm-generic/socket.h>
_SHAPE = {
    "boot": str, "generation": int, "rules": int,
    "networks": Each({"bridge": str, "subnet": str, "subnet6": str, "internal": bool, "masquerade": bool,
                            "icc": bool}),
    "endpoints": Each({"interface": str, "bridge": str, "mac": str, "address": str, "address6": str,
                           "published": [list]}),
}  # fmt: skip
UNKNOWN = -1  # a generation that no kernel has: it is not known what the kernel holds


class FilterState(NamedTuple):
    """The file's content: networks by id, endpoints by their interface on the host.

    `rules`: the checksum of chains and rules when they were written (`kernel_tables.py`), 0 if unknown.
    """

    generation: int
    rules: int
    networks: dict[str, FilterNetwork]
    endpoints: dict[str, FilterEndpoint]

    def elements(self) -> filter_rules.Elements:
        """The elements of the kernel's sets for this state."""
        return filter_rules.elements(list(self.networks.values()), list(self.endpoints.values()))


def is_intact() -> bool | None:
    """Whether our rules are as they were written, or no endpoint needs them; None if nothing is recorded.

    The kernel counts changes of all tables. Where another engine makes many, writing ours again after each would cost
    every command as much as a whole start.
    """
    with step("Read the packet filter's generation", book="4.1.1"):
        content = _content()
        if not content:
            return None
        generation = _generation(content)
        serves_nobody = generation != UNKNOWN and not content["endpoints"]
        return serves_nobody or generation == nftables.generation()


def lock_path() -> str:
    """The lock for changes of what all roots (`--root`) of this host share."""
    return os.path.join(state.directory(RUN), "network.lock")


def path() -> str:
    """The file for the network namespace of this process."""
    return f"{RUN}/filter-{_namespace()}.json"


def _namespace() -> int:
    """A number of this network namespace that is unique until the next boot (SO_NETNS_COOKIE, Linux 5.14)."""
    with socket.socket(socket.AF_UNIX) as any_socket:
        try:
            return int(struct.unpack("=Q", any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0])
        except OSError:
            return os.stat("/proc/thread-self/ns/net").st_ino


def read() -> FilterState:
    """The recorded state; empty if there is none."""
    content = _content()
    if not content:
        return FilterState(UNKNOWN, 0, {}, {})
    return FilterState(
        _generation(content),
        content.get("rules", 0) if _is_ours(content) else 0,
        {key: FilterNetwork(**row) for key, row in content["networks"].items()},
        {name: _filter_endpoint(row) for name, row in content["endpoints"].items()},
    )


def _content() -> dict[str, Any]:
    """The file's content; empty if it is missing, damaged, or of an earlier boot (where /run outlives that)."""
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


def _filter_endpoint(row: dict[str, Any]) -> FilterEndpoint:
    return FilterEndpoint(**{**row, "published": [Published(*published) for published in row["published"]]})


def write(recorded: FilterState) -> None:
    """Replace the file, without waiting for the disk: after a reboot it is worthless.

    The line breaks are ours: for hundreds of entries, json's own indentation takes ten times as long.
    """
    when = {"schemaVersion": state.SCHEMA, "boot": state.boot_id(), "generation": recorded.generation}
    head = json.dumps({**when, "rules": recorded.rules, "form": filter_rules.FORM})[:-1]
    networks, endpoints = _lines(recorded.networks), _lines(recorded.endpoints)
    text = f'{head}, "networks": {{\n{networks}\n}}, "endpoints": {{\n{endpoints}\n}}}}\n'
    state.sweep(RUN)
    state.write_text(path(), text, durable=False, mode=0o600)


def _lines(entries: Mapping[str, FilterNetwork | FilterEndpoint]) -> str:
    return ",\n".join(f"    {json.dumps(key)}: {json.dumps(entry._asdict())}" for key, entry in entries.items())
