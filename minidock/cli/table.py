"""Tables and times as docker prints them."""

from __future__ import annotations

import calendar
import time
from collections.abc import Sequence
from typing import Any


def render(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as docker's: three spaces between them, and each at least ten wide with those."""
    widths = [max(7, *map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def since(moment: str) -> str:
    """How long ago an RFC 3339 UTC time was, in docker's words ("About a minute")."""
    return duration(time.time() - calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))


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


def status(state: dict[str, Any]) -> str:
    """The STATUS column."""
    if state["status"] == "running":
        return f"Up {since(state['startedAt'])}"
    if state["status"] == "exited":
        return f"Exited ({state['exitCode']}) {since(state['finishedAt'])} ago"
    return "Created"
