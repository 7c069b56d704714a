"""The address translation of one container, found in the kernel's rules, whichever program has written them.

On its way out a packet gets the host's address (masquerade); a published port is a packet's way in (dnat). Rules are
read as nft(8) lists them (libnftables-json(5)), with the sets and maps that they refer to. A rule counts only if all of
its conditions are understood and hold; what cannot be judged from here is left out rather than guessed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from minidock.explain.xray.model import Published, Rule
from minidock.named_tuple import NamedTuple

Json = dict[str, Any]
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
_EVERYWHERE = ("0.0.0.0/0", "0.0.0.0", "::/0", "::")


class Ruleset(NamedTuple):
    """All rules, and by (family, table, name) the sets and maps, and the hooks of base chains."""

    rules: list[Json]
    sets: dict[tuple[str, str, str], list[Any]]
    hooks: dict[tuple[str, str, str], str]


class Packet(NamedTuple):
    """A packet that a container sends out: its source address, the interface that it comes from, the one that it leaves
    by.
    """

    source: str
    comes_by: str
    goes_by: str


def parse(listing: list[Json]) -> Ruleset:
    """The output of `nft -j list ruleset`."""
    rules, sets, hooks = [], {}, {}
    for entry in listing:
        if "rule" in entry:
            rules.append(entry["rule"])
        elif content := entry.get("set") or entry.get("map"):
            sets[content["family"], content["table"], content["name"]] = content.get("elem", [])
        elif chain := entry.get("chain"):
            hooks[chain["family"], chain["table"], chain["name"]] = chain.get("hook", "")
    return Ruleset(rules, sets, hooks)


# The way out


def masquerade(rules: Ruleset, packet: Packet) -> Rule | None:
    """The rule that replaces the source address of `packet` by the host's."""
    for rule in rules.rules:
        if rule["family"] == _other_family(packet.source) or not any(map(_hides_source, rule["expr"])):
            continue
        if all(_holds(part["match"], packet, rule, rules) for part in rule["expr"] if "match" in part):
            return _rule(rule)
    return None


def _hides_source(part: Json) -> bool:
    target = part.get("xt") or {}  # iptables's extensions, which nft does not list
    return "masquerade" in part or "snat" in part or target.get("name") in ("MASQUERADE", "SNAT")


def _other_family(address: str) -> str:
    """The nft family in which a packet of this address is never seen."""
    return "ip" if ":" in address else "ip6"


def _holds(match: Json, packet: Packet, rule: Json, rules: Ruleset) -> bool:
    """Whether the condition is true for the packet; False for one that is not understood."""
    left = match["left"]
    payload, meta = left.get("payload") or {}, left.get("meta") or {}
    if payload.get("protocol") in ("ip", "ip6") and payload.get("field") == "saddr":
        is_in = any(_covers(element, packet.source) for element in _elements(match["right"], rule, rules))
    elif meta.get("key") in ("oifname", "oif"):
        is_in = packet.goes_by in _elements(match["right"], rule, rules)
    elif meta.get("key") in ("iifname", "iif"):
        is_in = packet.comes_by in _elements(match["right"], rule, rules)
    else:
        return False
    return is_in == (match["op"] in ("==", "in"))


def _elements(right: Any, rule: Json, rules: Ruleset) -> list[Any]:
    """What a condition compares with: one value, those in braces, or those of a named set."""
    if isinstance(right, str) and right.startswith("@"):
        found = rules.sets.get((rule["family"], rule["table"], right[1:]), [])
    elif isinstance(right, dict) and "set" in right:
        found = right["set"]
    else:
        found = [right]
    return [element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element for element in found]


def _covers(element: Any, address: str) -> bool:
    if isinstance(element, dict) and "prefix" in element:
        element = f"{element['prefix']['addr']}/{element['prefix']['len']}"
    if isinstance(element, dict) and "range" in element:
        first, last = map(ipaddress.ip_address, element["range"])
        own = ipaddress.ip_address(address)
        return first.version == own.version and int(first) <= int(own) <= int(last)
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(element, strict=False)
    except (ValueError, TypeError):
        return False


def _rule(rule: Json) -> Rule:
    counters = [part["counter"] for part in rule["expr"] if isinstance(part.get("counter"), dict)]
    packets, octets = (counters[0]["packets"], counters[0]["bytes"]) if counters else (None, None)
    words = " ".join(filter(None, map(_words, rule["expr"])))
    return Rule(f"{rule['family']} {rule['table']}", rule["chain"], words, packets, octets)


def _words(part: Json) -> str:
    """A part of a rule, about as nft(8) writes it."""
    if "match" in part:
        match = part["match"]
        operator = "" if match["op"] in ("==", "in") else f"{match['op']} "
        return f"{_value(match['left'])} {operator}{_value(match['right'])}"
    return "" if "counter" in part else str(next(iter(part)))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        kind, inner = next(iter(value.items()))
        if kind == "payload":
            return f"{inner.get('protocol', '')} {inner.get('field', '')}"
        if kind in ("meta", "ct"):
            return str(inner["key"]) if kind == "meta" else f"ct {inner['key']}"
        if kind == "prefix":
            return f"{inner['addr']}/{inner['len']}"
        if kind == "range":
            return "-".join(map(_value, inner))
        if kind == "concat":
            return " . ".join(map(_value, inner))
        if kind == "set":
            return f"{{ {', '.join(map(_value, inner))} }}"
        return str(kind)
    return str(value)


# The way in


def published(rules: Ruleset, addresses: list[str]) -> list[Published]:
    """The ports of the host that lead to one of the container's `addresses`, each once."""
    found: dict[tuple[str, str, str, str, str], Published] = {}
    for rule in rules.rules:
        # The host's own packets pass the hook "output", which repeats the same ports.
        for row in _destinations(rule, rules):
            if row.address in addresses:
                found.setdefault(row[:5], row)
    return sorted(found.values())


def _destinations(rule: Json, rules: Ruleset) -> Iterator[Published]:
    packets = _rule(rule).packets
    for part in rule["expr"]:
        if not isinstance(part.get("dnat"), dict):
            continue
        target = part["dnat"].get("addr")
        if isinstance(target, dict) and "map" in target:
            asked = (target["map"]["key"].get("payload") or {}).get("protocol", "tcp")
            for key, value in _pairs(target["map"]["data"], rule, rules):
                protocol, host_address, host_port = _key(key, asked)
                address, port = _target(value)
                yield Published(protocol, host_address, host_port, address, port or host_port, None)
        elif isinstance(target, str):
            protocol, host_address, host_port = _conditions(rule["expr"])
            yield Published(
                protocol, host_address, host_port, target, _value(part["dnat"].get("port", host_port)), packets
            )


def _pairs(data: Any, rule: Json, rules: Ruleset) -> Iterator[tuple[Any, Any]]:
    for element in _elements(data, rule, rules):
        if isinstance(element, (list, tuple)) and len(element) == 2:
            yield element[0], element[1]


def _key(key: Any, protocol: str) -> tuple[str, str, str]:
    """(protocol, address, port) from a map's key, in whatever order; `protocol` is what it is without one."""
    address, port = "", ""
    for value in key["concat"] if isinstance(key, dict) and "concat" in key else [key]:
        text = _value(value)
        if isinstance(value, int) and value in _PROTOCOLS and not port and value != key:
            protocol = _PROTOCOLS[value]
        elif text in _PROTOCOLS.values():
            protocol = text
        elif isinstance(value, int) or (isinstance(value, dict) and "range" in value) or text.isdigit():
            port = text
        else:
            address = "" if text in _EVERYWHERE else text
    return protocol, address, port


def _target(value: Any) -> tuple[str, str]:
    parts = value["concat"] if isinstance(value, dict) and "concat" in value else [value]
    return _value(parts[0]), _value(parts[1]) if len(parts) > 1 else ""


def _conditions(parts: list[Json]) -> tuple[str, str, str]:
    """(protocol, address, port) that a rule's conditions ask of a packet's destination."""
    protocol, address, port = "tcp", "", ""
    for part in parts:
        payload = (part.get("match") or {}).get("left", {}).get("payload") or {}
        if payload.get("field") == "dport":
            protocol = payload["protocol"] if payload["protocol"] != "th" else protocol
            port = _value(part["match"]["right"])
        elif payload.get("field") == "daddr" and part["match"]["op"] in ("==", "in"):
            address = _value(part["match"]["right"])
    return protocol, address, port
