"""The values of --log-opt, as Go's libraries read them for docker's drivers."""

from __future__ import annotations

import re

from minidock.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)b?", re.IGNORECASE)
_BOOLEANS = {**dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
             **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False)}  # fmt: skip


def refused(message: str) -> UsageError:
    """What cannot be logged to, or so."""
    return UsageError(message)


def size(text: str) -> int:
    """Bytes; a unit is 1000 times the one before (go-units, FromHumanSize)."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise refused(f"invalid size: '{text}'")
    return int(float(match[1]) * 1000 ** " kmgtp".index(match[2].lower() or " "))


def number(text: str) -> int:
    """strconv.Atoi."""
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise refused(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def boolean(text: str) -> bool:
    """strconv.ParseBool."""
    if text not in _BOOLEANS:
        raise refused(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return _BOOLEANS[text]
