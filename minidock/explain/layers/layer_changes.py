"""What a layer does to the layers below it: adds, changes, hides (book 3.5.3 to 3.5.6).

A layer is a directory. Laid over the ones below it (overlayfs), each of its entries does one of three things:

    added      there was nothing of that name
    changed    there was something: all of the file is here again, however little of it was changed (copied up)
    hidden     a whiteout takes the place of what was there; an opaque directory hides all that was in it; a file in
               a directory's place hides that. Hidden bytes stay in the layer below: an image only ever grows

The same comparison serves an image's layers and a running container's upper directory. Nothing is mounted, and nothing
outside the directory is read, whatever links a container makes in it meanwhile (`linux/openat2.py`).
Source: Documentation/filesystems/overlayfs.rst of the kernel.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from minidock.linux.openat2 import open_in_root
from minidock.linux.overlay import OPAQUE, is_opaque, is_whiteout
from minidock.named_tuple import NamedTuple

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFSOCK: "socket",
}


class Change(NamedTuple):
    """What a layer does at one path.

    `how`: for what is changed, "content", "attributes" (mode or owner) or "kind"; for what is hidden, "whiteout",
    "opaque" or "replaced". `size`: the bytes that this layer has of it. `before`: the bytes below that become
    invisible. `entries`: how many files and directories appear or go, those inside a directory that is hidden included.
    """

    path: str
    kind: str
    how: str
    size: int
    before: int
    entries: int


class Changes(NamedTuple):
    """All that a layer does, sorted by path. `unreadable`: directories too deep to be named in one path."""

    entries: int
    size: int
    added: list[Change]
    changed: list[Change]
    hidden: list[Change]
    unreadable: int

    @property
    def before(self) -> int:
        """The bytes in lower layers that this layer hides."""
        return sum(change.before for change in (*self.changed, *self.hidden))


class Seen(NamedTuple):
    """An entry of the merged layers: its lstat(2) result, and the directory it comes from."""

    status: os.stat_result
    origin: int


def kind_of(status: os.stat_result) -> str:
    """file, directory, link, device, pipe or socket."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "file")


def size_of(status: os.stat_result) -> int:
    """The bytes of a file's content or a link's target, as docker counts a layer's size."""
    return status.st_size if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) else 0


def compare(layer: str, below: Sequence[str]) -> Changes:
    """The changes of the directory `layer` to the directories `below` it, topmost first. `layer` may
    change meanwhile.
    """
    root = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _Comparison(root, below).run()
    finally:
        os.close(root)


class _Comparison:
    """One layer and those below it, directory by directory. A stack instead of recursion: trees may be deep."""

    def __init__(self, root: int, below: Sequence[str]) -> None:
        self.root = root
        self.below = below
        self.added: list[Change] = []
        self.changed: list[Change] = []
        self.hidden: list[Change] = []
        self.entries = self.size = self.unreadable = 0
        self.links: set[tuple[int, int]] = set()  # files with several names count once
        self.left: Counter[tuple[int, int]] | None = None  # of such files below: how many names are still seen

    def run(self) -> Changes:
        # (path from the layer's root, the directories of that path below, whether they are hidden as a whole)
        pending: list[tuple[str, list[str], bool]] = [("", list(self.below), False)]
        while pending:
            path, lower, cut = pending.pop()
            try:
                fd = open_in_root(self.root, os.fsencode(path))
            except OSError:  # ENAMETOOLONG: made by a program that went down directory by directory
                self.unreadable += 1
                continue
            if fd < 0:
                continue  # gone meanwhile
            try:
                pending += self._directory(fd, path, lower, cut)
            finally:
                os.close(fd)
        for changes in (self.added, self.changed, self.hidden):
            changes.sort()
        return Changes(self.entries, self.size, self.added, self.changed, self.hidden, self.unreadable)

    def _directory(self, fd: int, path: str, lower: list[str], cut: bool) -> list[tuple[str, list[str], bool]]:
        """Compare one directory; returns its subdirectories, still to be compared."""
        cut = cut or (bool(lower) and _has_opaque(fd))
        names, inner = set(), []
        with os.scandir(fd) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    names.add(entry.name)
                    beneath = self._entry(f"{path}/{entry.name}", entry.name, status, lower)
                    if stat.S_ISDIR(status.st_mode):
                        inner.append((f"{path}/{entry.name}", beneath, cut))
        if cut:
            for name, seen in visible(lower).items():
                if name not in names:
                    self._hide(f"{path}/{name}", name, seen.status, lower, "opaque")
        return inner

    def _entry(self, path: str, name: str, status: os.stat_result, lower: list[str]) -> list[str]:
        """Count one entry; for a directory, return those of that name below."""
        was, beneath = look_up(lower, name) if lower else (None, [])
        if is_whiteout(status):
            if was:
                self._hide(path, name, was.status, lower, "whiteout")
            else:
                self.hidden.append(Change(path, "", "whiteout", 0, 0, 0))
            return []
        self.entries += 1
        kind, size = kind_of(status), self._size(status)
        self.size += size
        if was is None:
            self.added.append(Change(path, kind, "", size, 0, 1))
        elif kind_of(was.status) != kind:
            self.changed.append(Change(path, kind, "kind", size, 0 if beneath else self._loss(was.status), 1))
            if beneath:
                self._hide(path, name, was.status, lower, "replaced")
            return []
        elif how := _difference(was.status, status):
            self.changed.append(Change(path, kind, how, size, self._loss(was.status), 1))
        return beneath

    def _hide(self, path: str, name: str, was: os.stat_result, lower: list[str], how: str) -> None:
        """Count what is hidden: a file, or a directory with all that was visible in it."""
        entries, size = 1, self._loss(was)
        pending = [look_up(lower, name)[1]] if stat.S_ISDIR(was.st_mode) else []
        while pending:
            directories = pending.pop()
            for inner, seen in visible(directories).items():
                entries += 1
                size += self._loss(seen.status)
                if stat.S_ISDIR(seen.status.st_mode):
                    pending.append(look_up(directories, inner)[1])
        self.hidden.append(Change(path, kind_of(was), how, 0, size, entries))

    def _loss(self, was: os.stat_result) -> int:
        """The bytes that become invisible below when this name is hidden: those of a file, with its last name."""
        if was.st_nlink == 1 or stat.S_ISDIR(was.st_mode):
            return size_of(was)
        if self.left is None:
            self.left = _names_of_links(self.below)
        inode = (was.st_dev, was.st_ino)
        self.left[inode] -= 1
        return 0 if self.left[inode] else size_of(was)

    def _size(self, status: os.stat_result) -> int:
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            inode = (status.st_dev, status.st_ino)
            if inode in self.links:
                return 0
            self.links.add(inode)
        return size_of(status)


def _difference(was: os.stat_result, status: os.stat_result) -> str:
    """How two entries of one kind differ. A file that was copied up for a chmod keeps its size and time."""
    if not stat.S_ISDIR(status.st_mode) and (was.st_size, was.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        return "content"
    same = (was.st_mode, was.st_uid, was.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
    return "" if same and stat.S_ISDIR(status.st_mode) else "attributes"


def _names_of_links(directories: Sequence[str]) -> Counter[tuple[int, int]]:
    """Of each file with several names: by how many it is seen."""
    entries = (seen.status for _, seen in walk(directories))
    return Counter((status.st_dev, status.st_ino) for status in entries
                   if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode))  # fmt: skip


def _has_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError:  # ENODATA, or a file system without attributes
        return False


# Several layers seen as one


def visible(directories: Sequence[str]) -> dict[str, Seen]:
    """The entries of one directory as overlayfs shows it. `directories`: the layers that have it, topmost first."""
    seen: dict[str, Seen] = {}
    gone: set[str] = set()
    for origin, directory in enumerate(directories):
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name not in seen and entry.name not in gone:
                    status = entry.stat(follow_symlinks=False)
                    if is_whiteout(status):
                        gone.add(entry.name)
                    else:
                        seen[entry.name] = Seen(status, origin)
    return seen


def look_up(directories: Sequence[str], name: str) -> tuple[Seen | None, list[str]]:
    """The visible entry `name` of a directory, and if it is one itself, the directories that it is made of."""
    found: Seen | None = None
    parts: list[str] = []
    for origin, directory in enumerate(directories):
        path = os.path.join(directory, name)
        try:
            status = os.lstat(path)
        except OSError:  # not there, or under a name too long for one path
            status = None
        if status and (is_whiteout(status) or (found and not stat.S_ISDIR(status.st_mode))):
            break
        if status:
            found = found or Seen(status, origin)
            if not stat.S_ISDIR(status.st_mode):
                break
            parts.append(path)
            if is_opaque(path):
                break  # so what `directories` lists is never below an opaque one
    return found, parts


def walk(directories: Sequence[str]) -> Iterator[tuple[str, Seen]]:
    """Everything in a stack of layers as overlayfs shows it: (path, entry), parents first, sorted by name.

    An entry's `origin` counts from 0, the topmost of `directories`.
    """
    pending: list[tuple[str, list[int], list[str]]] = [("", list(range(len(directories))), list(directories))]
    while pending:
        path, origins, parts = pending.pop()
        inner = []
        for name, seen in sorted(visible(parts).items()):
            yield f"{path}/{name}", Seen(seen.status, origins[seen.origin])
            if stat.S_ISDIR(seen.status.st_mode):
                below = look_up(parts, name)[1]
                numbers = [origins[parts.index(os.path.dirname(part))] for part in below]
                inner.append((f"{path}/{name}", numbers, below))
        pending += reversed(inner)


def topmost(changes: Sequence[Change]) -> list[Change]:
    """The same changes, with those inside a changed directory counted as part of it."""
    rolled: list[Change] = []
    for change in sorted(changes, key=lambda change: change.path.split("/")):
        last = rolled[-1] if rolled else None
        if last and last.kind == "directory" and change.path.startswith(f"{last.path}/"):
            rolled[-1] = last._replace(
                size=last.size + change.size, before=last.before + change.before, entries=last.entries + change.entries
            )
        else:
            rolled.append(change)
    return rolled
