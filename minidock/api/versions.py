"""The versions of the API: a path may begin with one, which says in which form the answer is understood."""

from __future__ import annotations

import re

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple

_PREFIX = re.compile(r"/v(\d{1,3})\.(\d{1,3})(?=/|$)")


class Version(NamedTuple):
    """As in 1.44. Versions are compared number by number."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(1, 24)
NEWEST = Version(1, 47)
DEFAULT = Version(1, 44)  # of a path that names none


def split(path: str) -> tuple[Version, str]:
    """(version, rest) of a path. Raises `UsageError`, in docker's words, for one that is too old or too new."""
    match = _PREFIX.match(path)
    if not match:
        return DEFAULT, path
    version = Version(int(match[1]), int(match[2]))
    if version < OLDEST:
        raise UsageError(f"client version {version} is too old. Minimum supported API version is {OLDEST}, please "
                         "upgrade your client to a newer version")  # fmt: skip
    if version > NEWEST:
        raise UsageError(f"client version {version} is too new. Maximum supported API version is {NEWEST}")
    return version, path[match.end() :]
