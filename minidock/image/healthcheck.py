"""The Dockerfile instruction HEALTHCHECK: what checks a container's health, and how often.

    HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --start-interval=1s --retries=3 CMD curl -f localhost
    HEALTHCHECK CMD ["curl", "-f", "localhost"]
    HEALTHCHECK NONE

Times are nanoseconds in an image's config; what is not said is left to `run`'s defaults (Dockerfile reference,
"HEALTHCHECK").
"""

from __future__ import annotations

import re

from minidock import durations

_NUMBER = re.compile(r"[+-]?[0-9]+")
_MOST = 2**31  # what is below fits where docker keeps it

FLAGS = ("interval", "timeout", "start-period", "start-interval", "retries")


def numbers(flags: dict[str, str]) -> dict[str, int]:
    """What the flags say, in nanoseconds, and how many retries; 0 where they say nothing. Raises `ValueError`."""
    return {"Interval": _time(flags, "interval"), "Timeout": _time(flags, "timeout"),
            "StartPeriod": _time(flags, "start-period"), "StartInterval": _time(flags, "start-interval"),
            "Retries": _count(flags)}  # fmt: skip


def _time(flags: dict[str, str], name: str) -> int:
    """Nanoseconds; 0 if nothing is said."""
    length = durations.parse(flags.get(name) or "0")
    if length != 0 and length < durations.SHORTEST:
        raise ValueError(f'Interval "{name}" cannot be less than 1ms')
    return length


def _count(flags: dict[str, str]) -> int:
    text = flags.get("retries") or "0"
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if not -_MOST <= int(text) < _MOST:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    if int(text) < 0:
        raise ValueError(f"--retries cannot be negative ({int(text)})")
    return int(text)
