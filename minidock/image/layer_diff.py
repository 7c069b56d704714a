"""The changes of a container, as `diff` lists them: added, changed, deleted (book, chapter 1, 3.5.4 and 3.5.6).

Not every entry of the upper directory is a change: a file is copied up as soon as it is opened for writing, a directory
when something in it is. As in docker, an entry has changed if kind, mode, owner or file capabilities differ, and if it
is not a directory, size or time (moby, pkg/archive, `statDifferent`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from minidock.image.layer_writer import names
from minidock.linux import file_capabilities, overlay
from minidock.linux.id_maps import IdMaps
from minidock.linux.openat2 import open_in_root

ADDED, CHANGED, DELETED = "A", "C", "D"


def differences(
    upper: str, lower: list[str], ignored: Collection[str] = (), maps: IdMaps | None = None
) -> list[tuple[str, str]]:
    """(kind, absolute path) of what the overlayfs directory `upper` changes in the layers `lower`, topmost first.

    Sorted by path; directories that contain changes are listed as changed. A deleted directory is listed once, an added
    one with each of its files. `ignored`: paths to leave out. `maps`: those of the user namespace in which `upper` was
    written, if it was in one.
    """
    found: dict[bytes, str] = {}
    root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    skipped = {os.fsencode(path.strip("/")) for path in ignored}
    try:
        pending = names(root, b"")
        while pending:
            path = pending.pop()
            if path in skipped:
                continue
            status = _lstat(root, path)
            if status is None:
                continue  # gone meanwhile
            below = overlay.entry(lower, os.fsdecode(path).split("/"))
            if kind := _kind(status, os.path.join(upper, os.fsdecode(path)), below, maps):
                found[path] = kind
            if stat.S_ISDIR(status.st_mode):
                children = names(root, path)
                pending += children
                if below and overlay.is_opaque(os.path.join(upper, os.fsdecode(path))):
                    hidden = overlay.listing(overlay.merged(lower, os.fsdecode(path).split("/")))
                    gone = {path + b"/" + os.fsencode(name) for name in hidden} - set(children)
                    found |= dict.fromkeys(gone, DELETED)
    finally:
        os.close(root)
    for path in list(found):
        while path := path.rpartition(b"/")[0]:
            found.setdefault(path, CHANGED)
    return [(found[path], f"/{os.fsdecode(path)}") for path in sorted(found, key=lambda path: path.split(b"/"))]


def _lstat(root: int, path: bytes) -> os.stat_result | None:
    above, _, name = path.rpartition(b"/")
    parent = open_in_root(root, above)
    if parent < 0:
        return None
    try:
        return os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return None
    finally:
        os.close(parent)


def _kind(status: os.stat_result, path: str, below: str | None, maps: IdMaps | None) -> str | None:
    """The kind of change that an entry of the upper directory stands for; None if nothing has changed."""
    if overlay.is_whiteout(status):
        return DELETED if below else None
    if below is None:
        return ADDED
    before = os.lstat(below)
    owner = maps.inside(status.st_uid, status.st_gid) if maps else (status.st_uid, status.st_gid)
    same = (status.st_mode, owner, status.st_rdev) == (
        before.st_mode, (before.st_uid, before.st_gid), before.st_rdev)  # fmt: skip
    if same and not stat.S_ISDIR(status.st_mode):
        same = status.st_size == before.st_size and _same_time(status.st_mtime_ns, before.st_mtime_ns)
    return None if same and _capability(path) == _capability(below) else CHANGED


def _same_time(one: int, other: int) -> bool:
    """Whether two times are equal, or differ only in that one has no fraction of a second: archives may not keep it."""
    second = 1_000_000_000
    return one // second == other // second and (one == other or not (one % second and other % second))


def _capability(path: str) -> bytes:
    try:
        return file_capabilities.for_any_root(os.getxattr(path, file_capabilities.ATTRIBUTE, follow_symlinks=False))
    except OSError:
        return b""
