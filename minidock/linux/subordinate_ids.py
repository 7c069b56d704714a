"""Subordinate ids: which ids a user of the host may give to user namespaces (subuid(5), subgid(5)).

A line of /etc/subuid and /etc/subgid is NAME:FIRST:HOW-MANY, and NAME may be a number.
"""

from __future__ import annotations

import os
import pwd

USERS, GROUPS = "/etc/subuid", "/etc/subgid"

Range = tuple[int, int]  # the first id, how many


def ranges(path: str, name: str) -> list[Range]:
    """What the file gives to the user `name` (or number), lowest first; nothing without a line of that user's."""
    names = _names(name)
    return sorted((first, count) for owner, first, count in _lines(path) if owner in names)


def first_free(path: str) -> int:
    """An id from which on nobody has any in the file, nor below 100000, where users of the host are."""
    return max([100_000, *(first + count for _, first, count in _lines(path))])


def _names(name: str) -> set[str]:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return {name}
    return {entry.pw_name, str(entry.pw_uid)}


def _lines(path: str) -> list[tuple[str, int, int]]:
    """(owner, first, how many) of each line that is one."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        rows = [line.strip().split(":") for line in file]
    return [(row[0], int(row[1]), int(row[2])) for row in rows
            if len(row) == 3 and row[1].isdigit() and row[2].isdigit() and int(row[2])]  # fmt: skip
