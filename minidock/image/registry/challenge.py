"""WWW-Authenticate: the authentication schemes that a registry accepts (RFC 9110, 11.2 to 11.6.1).

    Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"

One header can hold several challenges, separated by the same commas as a challenge's parameters, and quoted
strings can hold commas: hence a scanner and not a split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from minidock.named_tuple import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+|$|(?=,))")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_SEPARATOR = re.compile(r"[\s,]*")


class Challenge(NamedTuple):
    """One authentication scheme: its name in lower case, and its parameters, their names in lower case too."""

    scheme: str
    parameters: dict[str, str]


def parse(headers: Iterable[str]) -> list[Challenge]:
    """All challenges in the values of WWW-Authenticate, in order. What follows a syntax error is left out."""
    return [challenge for header in headers for challenge in _parse(header)]


def _parse(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = _skip(text, 0)
    while at < len(text):
        if found and (match := _PARAMETER.match(text, at)):
            name, quoted, bare = match.groups()
            value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1].parameters.setdefault(name.lower(), value)
        elif match := _SCHEME.match(text, at):
            found.append(Challenge(match[1].lower(), {}))
            # `Negotiate abc==`: a scheme's one value in base 64, of no use to us. A parameter is none.
            rest = match.end()
            if not _PARAMETER.match(text, rest) and (value68 := _TOKEN68.match(text, rest)):
                at = _skip(text, value68.end())
                continue
        else:
            break
        at = _skip(text, match.end())
    return found


def _skip(text: str, at: int) -> int:
    match = _SEPARATOR.match(text, at)
    return match.end() if match else at
