"""Moments, as Go's RFC3339Nano has them: in UTC, without zeros at the end."""

from __future__ import annotations

import time


def now() -> str:
    """This moment."""
    return spelled(time.time_ns())


def spelled(moment: int) -> str:
    """A number of nanoseconds since 1970."""
    seconds, nanoseconds = divmod(moment, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}".rstrip("0")
    return text.rstrip(".") + "Z"
