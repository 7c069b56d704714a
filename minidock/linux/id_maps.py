"""Which ids of a user namespace are which outside (user_namespaces(7), "User and group ID mappings")."""

from __future__ import annotations

from typing import Any

from minidock.named_tuple import NamedTuple

Row = tuple[int, int, int]  # the first id inside, the first outside, how many

NOBODY = 65534  # what the kernel shows in the place of an id that has no other (/proc/sys/kernel/overflowuid)


class IdMaps(NamedTuple):
    """The maps of users and of groups."""

    users: list[Row]
    groups: list[Row]

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """The host's ids for ids of the container's; NOBODY for those that it does not have."""
        return _mapped(self.users, uid), _mapped(self.groups, gid)

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """The container's ids for ids of the host's."""
        return _mapped(_turned(self.users), uid), _mapped(_turned(self.groups), gid)

    def as_oci(self) -> dict[str, list[dict[str, int]]]:
        """As the OCI specification has them (config-linux.md, "User namespace mappings")."""
        return {key: [{"containerID": row[0], "hostID": row[1], "size": row[2]} for row in rows]
                for key, rows in (("uidMappings", self.users), ("gidMappings", self.groups))}  # fmt: skip


def from_record(kept: dict[str, Any] | None) -> IdMaps | None:
    """What `_asdict` gave, after JSON has had it."""
    return IdMaps([(a, b, c) for a, b, c in kept["users"]], [(a, b, c) for a, b, c in kept["groups"]]) if kept else None


def from_oci(source: dict[str, Any]) -> IdMaps:
    """The maps of an OCI bundle's `linux`, or of one of its mounts; without rows if it has none."""
    users, groups = ([(row["containerID"], row["hostID"], row["size"]) for row in source.get(key) or []]
                     for key in ("uidMappings", "gidMappings"))  # fmt: skip
    return IdMaps(users, groups)


def exchanged(rows: list[Row], disk: int, inside: int) -> list[Row]:
    """A map for a mount: that of `rows`, but with the files of `disk` belonging to the user `inside`.

    And the other way round: what `inside` makes belongs to `disk`. Whoever had the place of `disk` gets that of
    `inside`. Rows are (on the disk, outside of the user namespace, how many).
    """
    there = _mapped(rows, inside)
    if disk == inside:
        return rows
    displaced = next((row[1] + disk - row[0] for row in rows if row[0] <= disk < row[0] + row[2]), None)
    kept = [part for row in rows for part in _without(row, (disk, inside))]
    return sorted([*kept, (disk, there, 1), *([(inside, displaced, 1)] if displaced is not None else [])])


def _without(row: Row, ids: tuple[int, ...]) -> list[Row]:
    """The parts of a row that are left without some of its ids."""
    first, outside, count = row
    parts, begin = [], first
    for cut in [*sorted(number for number in ids if first <= number < first + count), first + count]:
        if cut > begin:
            parts.append((begin, outside + begin - first, cut - begin))
        begin = cut + 1
    return parts


def _mapped(rows: list[Row], number: int) -> int:
    return next((row[1] + number - row[0] for row in rows if row[0] <= number < row[0] + row[2]), NOBODY)


def _turned(rows: list[Row]) -> list[Row]:
    return [(outside, inside, count) for inside, outside, count in rows]
