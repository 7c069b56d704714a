"""Points in time as the Engine API has them."""

from __future__ import annotations

import calendar
import re
import time

from minidock.errors import UsageError
from minidock.image.created_time import NEVER as NO_INSTANT
from minidock.image.created_time import epoch_seconds

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time
_SECONDS = re.compile(r"(-?\d+)(?:\.(\d{1,9})\d*)?", re.ASCII)


def now() -> str:
    """This moment, RFC 3339 with nanoseconds."""
    return rfc3339(time.time_ns())


def rfc3339(nanoseconds: int) -> str:
    """A number of nanoseconds since 1970 as RFC 3339 in UTC."""
    return utc(nanoseconds) + "Z"


def utc(nanoseconds: int) -> str:
    """The same without the Z, as the readers of logs take it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09}"


def unix(text: str) -> int:
    """The whole seconds since 1970 of an RFC 3339 time in UTC; 0 for none."""
    if not text or text.startswith("0001"):
        return 0
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def moment(text: str, name: str) -> int | None:
    """Nanoseconds since 1970 for the parameter `name`: seconds with a fraction, or RFC 3339; None for "" and 0.

    Raises `UsageError`.
    """
    if not text or not text.strip("0."):
        return None
    if match := _SECONDS.fullmatch(text):
        return int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))
    found = epoch_seconds(text)
    if found == NO_INSTANT:
        raise UsageError(f'invalid value for "{name}": {text}')
    return int(found * 1_000_000_000)
