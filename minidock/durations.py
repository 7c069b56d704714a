"""Lengths of time as docker's users write them: 300ms, 1.5s, 1h30m (Go's package time, "ParseDuration")."""

from __future__ import annotations

import re

SHORTEST = 1_000_000  # nanoseconds: no time of a health check may be below, as in docker

_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
          "h": 3_600_000_000_000}  # fmt: skip
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_LONGEST = 2**63 - 1  # about 292 years


def parse(text: str) -> int:
    """A length of time in nanoseconds, with or without a sign. Raises `ValueError` in Go's words if it is none."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    parts = list(_PART.finditer(body))
    if not parts or "".join(part[0] for part in parts) != body:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    for part in parts:
        if part[2] not in _UNITS:
            why = f'unknown unit "{part[2]}"' if part[2] else "missing unit"
            raise ValueError(f'time: {why} in duration "{text}"')
        whole, _, rest = part[1].partition(".")
        total += int(whole or "0") * _UNITS[part[2]] + int(float(f"0.{rest or 0}") * _UNITS[part[2]])
    if total > _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if text.startswith("-") else total
