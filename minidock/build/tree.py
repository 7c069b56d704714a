"""A directory that files are copied from: a context, a stage's files, an image's. Nothing outside of it is ever read.

Every path is looked up with openat2(2) and RESOLVE_IN_ROOT (`linux/openat2.py`): a symbolic link that leads out, or is
put there while we copy, ends inside.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress

from minidock.build.ignore import Patterns, expression
from minidock.build.known_digests import KnownDigests
from minidock.errors import NotFoundError
from minidock.linux import syscalls
from minidock.linux.openat2 import look_up, open_in, open_in_root, path_in
from minidock.named_tuple import NamedTuple

_WILDCARD = re.compile(r"[*?\[\\]")
# The way to a file leads over what is no directory, or a link, by now; or it was renamed meanwhile (openat2(2)).
_ELSEWHERE = (errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """One file of a tree. `path`: from the tree's root, without a slash at its beginning; "" is the root itself."""

    path: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def version(status: os.stat_result) -> bytes:
    """What is another once somebody has written to a file, or put another in its place; b"" of a directory.

    What a directory holds is looked at by itself.
    """
    if stat.S_ISDIR(status.st_mode):
        return b""
    return struct.pack("=QQqqq", status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Tree:
    """`root`: a descriptor of the directory, closed with `close`; `name`: what messages call it.

    `known`: the digests of its files, as far as they are remembered.
    """

    def __init__(self, root: int, ignored: Patterns, name: str, known: KnownDigests | None = None) -> None:
        self.known = known
        self.root = root
        self.ignored = ignored
        self.name = name

    def close(self) -> None:
        """Close the descriptor, and remember what was read."""
        os.close(self.root)
        if self.known:
            self.known.keep()

    def find(self, path: str) -> Entry | None:
        """What `path` names, with all symbolic links followed inside the tree; None if it is not there or left out."""
        try:
            fd = open_in(self.root, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _ELSEWHERE:
                return None
            raise
        try:
            entry = Entry(path_in(self.root, fd).strip("/"), os.fstat(fd))
        finally:
            os.close(fd)
        return None if self._is_left_out(entry) else entry

    def _is_left_out(self, entry: Entry) -> bool:
        """Whether .dockerignore leaves an entry out, and all that is below it."""
        if not entry.path or not self.ignored.excludes(entry.path):
            return False
        return not entry.is_directory or next(self.walk(entry.path), None) is None

    def is_ignored(self, path: str) -> bool:
        """Whether a file of this name is there, and only .dockerignore keeps it out."""
        try:
            os.close(open_in(self.root, path))
        except OSError:
            return False
        return True

    def glob(self, pattern: str, *, deep: bool = False) -> list[str]:
        """The paths that fit a pattern of Go's filepath.Match, sorted; one without wildcards is returned as it is.

        `deep`: whether `**` stands for any number of directories.
        """
        if not _WILDCARD.search(pattern):
            return [pattern]
        found = [""]
        for part in pattern.strip("/").split("/"):
            if part in ("", "."):
                continue
            if part == "**" and deep:
                found = [below.path for base in found for below in self.walk(base) if below.is_directory]
            elif _WILDCARD.search(part):
                fits = re.compile(expression(part) + r"\Z", re.DOTALL)
                found = [
                    f"{base}/{name}".lstrip("/") for base in found for name in self._names(base) if fits.match(name)
                ]
            else:
                found = [f"{base}/{part}".lstrip("/") for base in found]
        return sorted({path for path in found if path and self.find(path)})

    def walk(self, top: str) -> Iterator[Entry]:
        """`top` and all that is below it and not left out, each directory before what is in it, names sorted.

        A directory that is left out comes all the same if something below it is an exception.
        """
        entry = self._look(top)
        if entry is None:
            return
        pending = [(entry, 0)]
        waiting: list[tuple[Entry, int]] = []  # left-out directories above the present entry
        while pending:
            entry, depth = pending.pop()
            while waiting and waiting[-1][1] >= depth:
                waiting.pop()
            excluded = bool(entry.path) and self.ignored.excludes(entry.path)
            if excluded and not (entry.is_directory and self.ignored.has_exceptions):
                continue
            if excluded:
                waiting.append((entry, depth))
            else:
                yield from (above for above, _ in waiting)
                waiting = []
                yield entry
            if entry.is_directory:
                pending += [(found, depth + 1) for found in self._below(entry.path)]

    def _names(self, path: str) -> list[str]:
        try:
            fd = open_in_root(self.root, os.fsencode(path))
        except NotADirectoryError:
            return []
        if fd < 0:
            return []
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def _below(self, path: str) -> list[Entry]:
        """What is in a directory, in the reverse order of names; lstat(2) of each from the directory, opened once."""
        try:
            fd = open_in_root(self.root, os.fsencode(path))
        except NotADirectoryError:
            return []
        if fd < 0:
            return []
        prefix = f"{path}/" if path else ""
        found = []
        try:
            for name in sorted(os.listdir(fd), reverse=True):
                with suppress(FileNotFoundError):
                    found.append(Entry(prefix + name, os.lstat(name, dir_fd=fd)))
        finally:
            os.close(fd)
        return found

    def _look(self, path: str) -> Entry | None:
        """lstat(2) of a path whose directories are no links; None if it is gone."""
        above, _, name = path.rpartition("/")
        parent = open_in_root(self.root, os.fsencode(above))
        if parent < 0:
            return None
        try:
            return Entry(path, os.lstat(name or ".", dir_fd=parent))
        except FileNotFoundError:
            return None
        finally:
            os.close(parent)

    def version_of(self, path: str) -> bytes | None:
        """The version that a path has now; None if it is gone."""
        now = self._look(path)
        return version(now.status) if now else None

    def open(self, path: str) -> int:
        """A descriptor to read the regular file `path`, whose last part is no link. Raises `OSError`."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return look_up(self.root, path, flags, syscalls.RESOLVE_IN_ROOT)

    def read_link(self, path: str) -> str:
        """Where the symbolic link `path` leads."""
        above, _, name = path.rpartition("/")
        parent = open_in_root(self.root, os.fsencode(above))
        try:
            return os.readlink(name, dir_fd=parent)
        finally:
            os.close(parent)

    def digest(self, entry: Entry) -> str:
        """What counts of a file for the cache, not its times (reference, "Cache"): "mode owner content".

        The mode is in octal, with the kind of file (inode(7)); content is a SHA-256. Raises `NotFoundError` if that
        is gone, or another kind of thing, since it was listed.
        """
        status = entry.status
        try:
            if stat.S_ISREG(status.st_mode):
                content = self._content(entry)
            elif stat.S_ISLNK(status.st_mode):
                content = hashlib.sha256(os.fsencode(self.read_link(entry.path))).hexdigest()
            else:
                content = hashlib.sha256(b"" if entry.is_directory else str(status.st_rdev).encode()).hexdigest()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL, *_ELSEWHERE):
                raise
            raise NotFoundError(f'"/{entry.path}": not found in {self.name}: it was there a moment ago') from error
        return f"{status.st_mode:06o} {status.st_uid}:{status.st_gid} {content}"

    def _content(self, entry: Entry) -> str:
        """The SHA-256 of a regular file."""
        if self.known and (digest := self.known.get(entry.path, entry.status)):
            return digest
        mark = hashlib.sha256()
        fd = self.open(entry.path)
        try:
            while data := os.read(fd, _CHUNK):
                mark.update(data)
        finally:
            os.close(fd)
        if self.known:
            self.known.put(entry.path, entry.status, mark.hexdigest())
        return mark.hexdigest()
