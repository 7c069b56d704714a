"""--userns: which ids a new container's users have on the host (docker's userns-remap, podman's --userns).

    host        none of its own: root inside is root outside, held by capabilities, filters and masks only
    remap       those of one user of the host, the same for all containers: docker's userns-remap
    auto        a range that no other container has, out of those of the user `containers`: podman's
    keep-id     the caller has its own id inside; for users without root's rights
    nomap       the caller has no id inside; for users without root's rights

A container keeps its ids for its life: its files belong to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minidock.errors import EXIT_ENGINE, HostError, UsageError
from minidock.linux import id_maps, rootless, subordinate_ids
from minidock.linux.id_maps import NOBODY, IdMaps, Row
from minidock.linux.subordinate_ids import GROUPS, USERS, Range

if TYPE_CHECKING:
    from minidock.engine.container.container_options import ContainerOptions
    from minidock.engine.container.records import Record

DEFAULT_USER = "dockremap"  # whose ids are for `remap`: docker's
POOL = "containers"  # podman's name, too, for the user whose ids are for `auto`
_LEAST, _MOST = 1024, 65536  # ids of a container of `auto`, as podman has it


def choose(
    mode: str, options: ContainerOptions, settings: dict[str, Any], layers: list[str], others: Iterable[Record]
) -> IdMaps | None:
    """The maps of a new container over the image's `layers` (bottom to top); None for the host's own users.

    `others`: all containers that there are. Raises `UsageError` for what docker refuses together, `HostError` if the
    host has no ids to give.
    """
    word, _, rest = mode.partition(":")
    if word in ("", "host"):
        return None
    _refuse_conflicts(options)
    if rootless.is_on():
        return _of_a_user(word, rest, layers, others)
    if word == "remap":
        return _remapped(settings.get("userns_remap", DEFAULT_USER))
    if word == "auto":
        return _unused(int(rest.removeprefix("size=")) if rest else _size(layers), others)
    raise UsageError(f"{word} is only supported in rootless mode", exit_code=EXIT_ENGINE)  # podman's words


def _of_a_user(word: str, rest: str, layers: list[str], others: Iterable[Record]) -> IdMaps:
    """The maps of a container of a user without root's rights: all within his namespace, where he is 0 himself."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        there = sum(int(line.split()[2]) for line in file)
    if word == "auto":
        return _unused(int(rest.removeprefix("size=")) if rest else _size(layers), others, [(1, there - 1)])
    if word == "nomap":
        return IdMaps([(0, 1, there - 1)], [(0, 1, there - 1)])
    if word == "keep-id":
        uid, gid = rootless.ids()
        return IdMaps(_keeping(uid, there), _keeping(gid, there))
    raise UsageError("--userns remap gives ids of another user of the host, which only root can do: take auto",
                     exit_code=EXIT_ENGINE)  # fmt: skip


def _keeping(own: int, there: int) -> list[Row]:
    """All ids of the user's namespace, with 0, the user himself, in the place of his own id."""
    below = min(own, there - 1)
    above = there - 1 - below
    return [(0, 1, below), (own, 0, 1), *([(own + 1, below + 1, above)] if above else [])]


def _refuse_conflicts(options: ContainerOptions) -> None:
    """Moby, daemon/daemon_unix.go, "check for various conflicting options with user namespaces"."""
    if options.privileged:
        raise UsageError("privileged mode is incompatible with user namespaces.  You must run the container in the "
                         "host namespace when running privileged mode", exit_code=EXIT_ENGINE)  # fmt: skip
    if options.network == "host":
        raise UsageError("cannot share the host's network namespace when user namespaces are enabled",
                         exit_code=EXIT_ENGINE)  # fmt: skip
    for kind, mode in (("PID", options.isolation.pid), ("IPC", options.isolation.ipc)):
        if mode == "host":
            raise UsageError(f"cannot share the host {kind} namespace when user namespaces are enabled",
                             exit_code=EXIT_ENGINE)  # fmt: skip
    joined = [mode for mode in (options.network, options.isolation.pid, options.isolation.ipc)
              if mode.startswith("container:")]  # fmt: skip
    if joined:
        raise UsageError(f"cannot share a namespace with {joined[0]} and have users of its own, who have no rights "
                         "there: give it --userns host", exit_code=EXIT_ENGINE)  # fmt: skip


def _remapped(asked: str) -> IdMaps:
    """All ids of a user, and of the group if that has another name, one range after the other."""
    user, _, group = asked.partition(":")
    return IdMaps(_rows(_of(USERS, user, _MOST)), _rows(_of(GROUPS, group or user, _MOST)))


def _rows(found: list[Range]) -> list[Row]:
    rows, inside = [], 0
    for first, count in found:
        rows.append((inside, first, count))
        inside += count
    return rows


def _of(path: str, name: str, count: int) -> list[Range]:
    found = subordinate_ids.ranges(path, name)
    if not found:
        line = f"{name}:{subordinate_ids.first_free(path)}:{count}"
        raise HostError(f"{path} gives no ids to {name!r}: echo {line} >> {path}", exit_code=EXIT_ENGINE)
    return found


def _unused(size: int, others: Iterable[Record], pool: list[Range] | None = None) -> IdMaps:
    """The lowest ranges of the pool (None: the host's), `size` long, that no other container has."""
    maps = [maps for record in others if (maps := id_maps.from_record(record.data.get("idMaps")))]
    users = _free(USERS, pool, size, [row for one in maps for row in one.users])
    return IdMaps([(0, users, size)],
                  [(0, _free(GROUPS, pool, size, [row for one in maps for row in one.groups]), size)])  # fmt: skip


def _free(path: str, pool: list[Range] | None, size: int, taken: list[Row]) -> int:
    for first, count in pool or _of(path, POOL, 1 << 24):
        begin = first
        for _, start, length in sorted(taken, key=lambda row: row[1]):
            if start + length > begin and start < begin + size:
                begin = start + length
        if begin + size <= first + count:
            return begin
    raise HostError(f"{path} has no {size} ids left for {POOL!r}: remove containers, or give it more ids there",
                    exit_code=EXIT_ENGINE)  # fmt: skip


def _size(layers: list[str]) -> int:
    """As many ids as the image's users and groups need, by podman's rule: at least 1024, without the user nobody."""
    highest = 0
    for path, column in (("/etc/passwd", 2), ("/etc/passwd", 3), ("/etc/group", 2)):
        for row in _lines(layers, path):
            if len(row) > column and re.fullmatch("[0-9]{1,9}", row[column]) and int(row[column]) < NOBODY:
                highest = max(highest, int(row[column]))
    return min(_MOST, max(_LEAST, highest + 1))


def _lines(layers: list[str], path: str) -> list[list[str]]:
    from minidock.engine.spec.users import read_from_layers

    return [line.split(":") for line in read_from_layers(layers[::-1], path).splitlines()]
