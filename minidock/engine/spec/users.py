"""Users and groups as an image knows them: names in its own /etc/passwd and /etc/group (passwd(5), group(5)).

Before a container starts, the image's layers are not mounted: the files are found layer by layer, as overlayfs would.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence

from minidock.errors import UsageError
from minidock.linux import openat2, overlay
from minidock.named_tuple import NamedTuple


class User(NamedTuple):
    """Who a process runs as: numbers, all groups beside the first, and the home directory."""

    uid: int
    gid: int
    groups: list[int]
    home: str


Table = list[list[str]]


def look_up(layers: list[str], wanted: str, more: Sequence[str] = ()) -> User:
    """The user for docker's `-u user[:group]`, each a name or a number; '' is root. `more`: what --group-add names.

    `layers`: the image's layer directories, topmost first. Raises `UsageError` for a name that the image does not
    know or a number out of range. A number needs no entry; without one, the group is 0 and the home "/".
    """
    groups = _rows(read_from_layers(layers, "/etc/group"), 4)
    return _choose(_rows(read_from_layers(layers, "/etc/passwd"), 7), groups, wanted, more)


def look_up_inside(root: int, wanted: str, more: Sequence[str] = ()) -> User:
    """`look_up` in the files as they are now below the directory `root`, a descriptor."""
    groups = _rows(_read_inside(root, "/etc/group"), 4)
    return _choose(_rows(_read_inside(root, "/etc/passwd"), 7), groups, wanted, more)


def _choose(passwd: Table, groups: Table, wanted: str, more: Sequence[str]) -> User:
    """The user that `wanted` means, by docker's rules (moby/sys: user.GetExecUser).

    Digits are an id, whatever names the image has: a user called "1000" with the id 0 would make root of whoever asks
    for the user 1000 (CVE-2016-3697). The first line with the id or the name counts.
    """
    user, group = (*wanted.split(":"), "")[:2]
    uid = _number(user or "0")
    row = _line(passwd, user, uid)
    if row is None and uid is None:
        raise UsageError(f"unable to find user {user}: no matching entries in passwd file")
    name, _, own_uid, own_gid, *_ = row or ["", "", str(uid), "0"]
    gid = _group(groups, group) if group else _number(own_gid) or 0
    # An explicit group replaces the supplementary ones, as in docker.
    own = [] if group else [int(entry[2]) for entry in groups if name and name in entry[3].split(",")]
    asked = [_checked(_group(groups, extra)) for extra in more]
    # The home is the id's, and not the name's: the runtime is told a number (runc: setupUser).
    home = (_line(passwd, "", int(own_uid)) or [""] * 7)[5]
    return User(_checked(int(own_uid)), _checked(gid), sorted({gid, *own, *asked}), home or "/")


def _group(groups: Table, wanted: str) -> int:
    gid = _number(wanted)
    if gid is not None:
        return gid
    row = _line(groups, wanted, None)
    if row is None:
        raise UsageError(f"unable to find group {wanted}: no matching entries in group file")
    return int(row[2])


def _line(table: Table, name: str, number: int | None) -> list[str] | None:
    """The first line of the number, or of the name if there is no number."""
    return next((row for row in table if (row[0] == name if number is None else int(row[2]) == number)), None)


def _checked(number: int) -> int:
    if not 0 <= number < 1 << 31:
        raise UsageError(f"uids and gids must be in range 0-2147483647, not {number}")
    return number


def read_from_layers(layers: list[str], path: str) -> str:
    """The text of an image's file; "" if it has none, or something else there. `layers`: topmost first."""
    found = overlay.find(layers, path)
    if found is None or not os.path.isfile(found):  # an image may have put anything there, such as a pipe
        return ""
    with open(found, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _read_inside(root: int, path: str) -> str:
    """Only a regular file is opened: to open a device, or a pipe, does something."""
    try:
        fd = openat2.open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        with open(openat2.descriptor_path(fd), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    finally:
        os.close(fd)


def _rows(text: str, columns: int) -> Table:
    """The usable lines of one of the files; a missing file has none."""
    lines = [line.strip().split(":") for line in text.split("\n")]
    return [(line + [""] * columns)[:columns] for line in lines if len(line) > 2 and _number(line[2]) is not None]


def _number(text: str) -> int | None:
    """The number that `text` is, as Go's strconv.Atoi reads one: with a sign or leading zeros, in 64 bits."""
    if not re.fullmatch("[+-]?[0-9]{1,64}", text):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None
