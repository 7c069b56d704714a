"""Lengths of time as docker's users write them: 300ms, 1.5s, 1h30m (Go's package time, "ParseDuration")."""

from __future__ import annotations

import re
import time

SHORTEST = 1_000_000  # nanoseconds: the shortest time that a health check accepts, as in docker

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


def since(moment: str) -> str:
    """How long ago an RFC 3339 UTC time was, in docker's words ("About a minute")."""
    return duration(time.time() - unix_time(moment))


def unix_time(moment: str) -> int:
    """An RFC 3339 UTC time in seconds since 1970, without its fraction. To import calendar takes 5 ms.

    A year is counted from March on here, so that what has another length comes last.
    """
    year, month, day = int(moment[:4]), int(moment[5:7]), int(moment[8:10])
    hour, minute, second = int(moment[11:13]), int(moment[14:16]), int(moment[17:19])
    if month <= 2:
        year -= 1
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469
    return days * 86_400 + hour * 3600 + minute * 60 + second


def duration(seconds: float) -> str:
    """A length of time in docker's words (github.com/docker/go-units, HumanDuration)."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return f"{whole} second{'s' if whole != 1 else ''}"
    minutes, hours = whole // 60, round(seconds / 3600)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    for limit, unit, name in ((48, 1, "hours"), (24 * 14, 24, "days"), (24 * 60, 24 * 7, "weeks"),
                              (24 * 365 * 2, 24 * 30, "months")):  # fmt: skip
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{hours // 24 // 365} years"
