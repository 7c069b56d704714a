"""The packet filter in a script: rules if there are none yet, and of the sets the elements of one container.

All containers share the rules: a script that added them again would double them, and one that removed them would stop
the traffic of all others. A container's own are elements of sets: those with its interfaces, and the ports that lead to
it.
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"table (\w+ \w+) \{")
_SET = re.compile(r" +(?:set|map) (\w+) \{.*\belements = \{ (.*) \} \}")
_ELEMENT = re.compile(r"add element (\w+ \w+) (\w+) \{ (.*) \}")


def commands(text: str, own: list[str]) -> list[str]:
    """Commands for a ruleset passed to nft(8); `own`: the container's interfaces and addresses."""
    lines = [line for line in text.splitlines() if not line.startswith("delete ")]  # that was there before
    tables = [match[1] for line in lines if (match := _TABLE.match(line))]
    if not tables:
        return [fed("", lines)] if lines else []
    there = f"nft list table {tables[0]} >/dev/null 2>&1 || "
    return [fed(there, lines), *filter(None, [fed("", elements(text, own))])]


def elements(text: str, own: list[str]) -> list[str]:
    """The container's own elements in a ruleset, each as the line that adds it."""
    found, table = [], ""
    for line in text.splitlines():
        if match := _TABLE.match(line):
            table = match[1]
        for pattern in (_SET, _ELEMENT):
            if match := pattern.match(line):
                where = f"{table} {match[1]}" if pattern is _SET else f"{match[1]} {match[2]}"
                mine = [e for e in re.split(r", (?![^{]*\})", match[match.lastindex or 0]) if _is_own(e, own)]
                found += [f"add element {where} {{ {', '.join(mine)} }}"] if mine else []
    return found


def fed(before: str, lines: list[str]) -> str:
    """nft with these lines as its input; '' if there are none. The shell expands what is written $so."""
    shown = [re.sub(r"([\\$`])", r"\\\1", line) for line in lines]
    return "\n".join([f"{before}nft -f - <<EOF", *shown, "EOF"]) if lines else ""


def _is_own(element: str, own: list[str]) -> bool:
    """Whether an element contains one of the container's interfaces or addresses."""
    words = element.replace('"', "").split()
    ends = words[words.index(":") + 1 :] if ":" in words else []
    return any(word in own for word in (*words[:1], *ends))
