"""What a host must have for containers of an ordinary user, and, where it lacks something, the command that adds it."""

from __future__ import annotations

import os
import pwd
import shutil

from minidock.errors import HostError
from minidock.linux import subordinate_ids
from minidock.linux.id_maps import Row

# sysctls that forbid user namespaces: (file, the value that does, the command that undoes it, whose it is)
_SWITCHES = [
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1", "Debian's kernel"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000", "this kernel"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", "AppArmor"),
]  # fmt: skip


def id_rows() -> tuple[list[Row], list[Row]]:
    """The maps of the user's namespace: root inside is the user, all other ids are his subordinate ones.

    Raises `HostError` that names everything that is missing at once, one line each.
    """
    lacks = reasons()
    uid, gid = os.getuid(), os.getgid()
    found = {}
    for path in (subordinate_ids.USERS, subordinate_ids.GROUPS):
        found[path] = subordinate_ids.ranges(path, str(uid))
        if not found[path]:
            first = subordinate_ids.first_free(path)
            flag = "--add-subuids" if path == subordinate_ids.USERS else "--add-subgids"
            lacks.append(f"{path} gives no ids to {_name(uid)}: usermod {flag} {first}-{first + 65535} {_name(uid)}")
    for program in ("newuidmap", "newgidmap"):
        if not shutil.which(program):
            lacks.append(f"{program} is missing, which gives these ids to a namespace: apt-get install uidmap")
    if lacks:
        needed = "; ".join(lacks)
        raise HostError(f"run it with sudo; or, for containers without root, this host lacks (as root): {needed}")
    return _rows(uid, found[subordinate_ids.USERS]), _rows(gid, found[subordinate_ids.GROUPS])


def reasons() -> list[str]:
    """What the kernel forbids, and how it is allowed."""
    lacks = []
    for name, value, remedy, whose in _SWITCHES:
        try:
            with open(f"/proc/sys/{name}", encoding="ascii") as file:
                forbids = file.read().strip() == value
        except OSError:
            continue
        if forbids:
            lacks.append(f"{whose} forbids user namespaces to users other than root: {remedy}")
    return lacks


def _rows(own: int, ranges: list[tuple[int, int]]) -> list[Row]:
    rows, inside = [(0, own, 1)], 1
    for first, count in ranges:
        rows.append((inside, first, count))
        inside += count
    return rows


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
