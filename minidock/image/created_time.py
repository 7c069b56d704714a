"""Times as images have them (RFC 3339): the present one; and those that are compared, in any zone or missing."""

from __future__ import annotations

import time

NEVER = float("-inf")  # when an image was made that does not say


def now() -> str:
    """The present time as RFC 3339, with nanoseconds as docker writes them."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def epoch_seconds(created: str) -> float:
    """An RFC 3339 time, in whatever zone, in seconds since 1970; `NEVER` if it is none."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(created).timestamp()
    except (ValueError, OverflowError):
        return NEVER
