"""Our two tables as the kernel holds them, read after any table has changed.

Writing both again would be right too, but costs a start four times as much: the kernel frees the old ones only when no
processor can still be using them (RCU), and nft waits for that.
"""

from __future__ import annotations

import json
from binascii import crc32
from typing import Any

from minidock.errors import HostError
from minidock.linux import nftables
from minidock.named_tuple import NamedTuple
from minidock.network.firewall.filter_rules import CHAINS, SETS, TABLE, Elements


class KernelTables(NamedTuple):
    """`elements` of all sets and maps; `rules`: a checksum of chains and rules."""

    elements: Elements
    rules: int

    def holds(self, elements: Elements, rules: int) -> bool:
        """Whether the tables are as they were written."""
        plain = {place: {row.replace('"', "") for row in rows} for place, rows in elements.items()}
        return (plain, rules) == self


def read() -> KernelTables | None:
    """The kernel's tables; None if one is missing, or contains what we never write."""
    try:
        listings = nftables.contents([(family, TABLE) for family in CHAINS])
        return _parsed([entry for listing in listings for entry in listing])
    except (HostError, KeyError, TypeError):
        return None


def _parsed(entries: list[dict[str, Any]]) -> KernelTables:
    """Raises `KeyError` or `TypeError` for sets and elements that are not ours."""
    elements: Elements = {place: set() for place in SETS}
    rules = []
    for entry in entries:
        for kind, content in entry.items():
            if kind in ("set", "map"):
                elements[content["family"], content["name"]] |= {_element(row) for row in content.get("elem", ())}
            elif kind in ("chain", "rule"):
                rules.append([kind, *(_lasting(key, value) for key, value in content.items())])
    return KernelTables(elements, crc32(json.dumps(rules).encode()))


def _lasting(key: str, value: Any) -> Any:
    """A part of a chain or rule without what changes by itself: counters, and the kernel's numbers."""
    if key == "handle":
        return key
    return [key, [part for part in value if "counter" not in part] if key == "expr" else value]


def _element(row: Any) -> str:
    """An element (libnftables-json(5)) in the notation of `filter_rules.elements`."""
    if isinstance(row, list):
        return " : ".join(map(_element, row))
    return " . ".join(map(_field, row["concat"] if isinstance(row, dict) and "concat" in row else [row]))


def _field(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(value)
