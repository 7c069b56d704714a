"""Points in time as docker's users type them, for --since and --until."""

from __future__ import annotations

import calendar
import re
import time
from contextlib import suppress

from minidock import durations
from minidock.errors import UsageError

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?(Z|z|[+-]\d\d:\d\d)?", re.ASCII
)
_UNIX = re.compile(r"(\d+)(?:\.(\d{1,9}))?", re.ASCII)


def moment(text: str, name: str) -> int:
    """Nanoseconds since 1970 for a duration before now (1h30m), RFC 3339 or its first part (2026-01-31,
    2026-01-31T12:00; local time without a zone), or seconds since 1970. `name`: the flag's, for the `UsageError`.
    """
    if text.strip("0"):  # a number without a unit is a point in time
        with suppress(ValueError):
            return time.time_ns() - durations.parse(text)
    if match := _UNIX.fullmatch(text):
        return int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))
    try:
        if match := _DATE.fullmatch(text):
            return _date(match)
        why = f"failed to parse value as time or duration: {_quoted(text)}"
    except ValueError as error:
        why = f"parsing time {_quoted(text)}: {error}"
    raise UsageError(f'invalid value for "{name}": {why}')


def utc(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nanoseconds, and without the Z: such texts can be compared."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09}"


def _date(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not 1 <= month <= 12:
        raise ValueError("month out of range")
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise ValueError("day out of range")
    for value, limit, unit in ((hour, 24, "hour"), (minute, 60, "minute"), (second, 60, "second")):
        if value >= limit:
            raise ValueError(f"{unit} out of range")
    fields = (year, month, day, hour, minute, second, 0, 0, -1)
    zone = match[8]
    if zone is None:
        seconds = int(time.mktime(fields))
    else:
        seconds = calendar.timegm(fields)
        if zone not in "Zz":
            offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
            seconds -= offset if zone[0] == "+" else -offset
    return seconds * 1_000_000_000 + int((match[7] or "")[:9].ljust(9, "0"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
