"""Times as they are compared: those of images may be in any zone, or missing."""

from __future__ import annotations

NEVER = float("-inf")  # when an image was made that does not say


def epoch_seconds(created: str) -> float:
    """An RFC 3339 time, in whatever zone, in seconds since 1970; `NEVER` if it is none."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(created).timestamp()
    except (ValueError, OverflowError):
        return NEVER
