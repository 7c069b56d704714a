"""The mounts of this mount namespace, as /proc/self/mountinfo lists them (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator


def propagation_of(path: str) -> tuple[str, set[str]]:
    """The mount point that `path` lies on, and which of "shared" and "slave" it is (proc_pid_mountinfo(5))."""
    path = os.path.realpath(path)
    place, kinds = "/", set()
    for where, fields, _ in _mountinfo():
        # A later mount on the same mount point hides an earlier one.
        if len(where) >= len(place) and _is_below(path, where):
            names = {"shared": "shared", "master": "slave"}
            place, kinds = where, {names[word] for field in fields if (word := field.partition(":")[0]) in names}
    return place, kinds


def mounted_at_or_below(path: str) -> list[str]:
    """The mount points at `path` and below, in the order in which they were mounted.

    It includes bind mounts of the same file system, which stat(2), and so `os.path.ismount`, does not recognize.
    """
    path = os.path.realpath(path)
    return [where for where, _, _ in _mountinfo() if _is_below(where, path)]


def filesystem_of(path: str) -> str:
    """The type of the file system (ext4, overlay, ...) of `path`, or of its nearest existing parent directory."""
    path = os.path.realpath(path)
    place, found = "/", ""
    for where, _, kind in _mountinfo():
        if len(where) >= len(place) and _is_below(path, where):
            place, found = where, kind
    return found


def of_types(types: tuple[str, ...], outside: str) -> list[str]:
    """The mount points of file systems of `types` that are not at `outside` or below."""
    return [where for where, _, kind in _mountinfo() if kind in types and not _is_below(where, outside)]


def _mountinfo() -> Iterator[tuple[str, list[str], str]]:
    """(mount point, optional fields, file system type) of every mount of this namespace (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            fields = before.split(" ")
            place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            yield place, fields[6:], after.partition(" ")[0]


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
