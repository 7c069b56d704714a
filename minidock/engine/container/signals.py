"""Signals by the names and numbers that users give them (signal(7))."""

from __future__ import annotations

import re
import signal
from contextlib import suppress

from minidock.engine.container.records import Record
from minidock.errors import UsageError

_REALTIME = re.compile(r"SIGRTM(IN|AX)(?:([+-])(\d+))?")


def to_stop(record: Record) -> int:
    """The number of the stop signal; SIGTERM if the image's is not a signal, as in docker."""
    with suppress(UsageError):
        return parse(record.data["config"]["stopSignal"])
    return int(signal.SIGTERM)


def parse(text: str) -> int:
    """The number of a signal: "15", "TERM", "SIGTERM", "rtmin+3". Raises `UsageError` for any other text."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= signal.SIGRTMAX:
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if name in signal.Signals.__members__:
        return int(signal.Signals[name])
    if match := _REALTIME.fullmatch(name):
        base = signal.SIGRTMIN if match[1] == "IN" else signal.SIGRTMAX
        number = base + int(f"{match[2]}{match[3]}" if match[2] else 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    raise UsageError(f"invalid signal: {text}")
