"""`cp`: files between a container and the host, by docker's rules for the names of copies.

Both sides are trees below a descriptor, the host's own root included. A path in one is followed link by link as text to
learn what it means (`Tree.follow`); what is then opened is looked up by the kernel within the tree, so that a link
that a container changes in between leads nowhere else (CVE-2018-15664). The rules: docker's reference, "docker
container cp", and its archive package (`PrepareArchiveCopy`).
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator

from minidock.errors import ConflictError, MinidockError, NotFoundError, UsageError
from minidock.image.layer_writer import owners_inside
from minidock.image.tar_into import Owner, place
from minidock.image.tar_out import pack
from minidock.linux.id_maps import IdMaps
from minidock.linux.openat2 import open_in_root
from minidock.named_tuple import NamedTuple

_MOST_LINKS = 255


class Tree(NamedTuple):
    """One side: a root, and how to call what is in it. `container`: the name that the user gave, or '' for the host.

    `maps`: those of the container's user namespace, if it has one.
    """

    root: int
    container: str
    maps: IdMaps | None = None

    def shown(self, path: str) -> str:
        """A path in the user's words."""
        return f"{self.container}:{path}" if self.container else path

    def missing(self, path: str) -> MinidockError:
        """Docker's error for a missing file."""
        if self.container:
            return NotFoundError(f"Could not find the file {path} in container {self.container}")
        return NotFoundError(f"lstat {path}: no such file or directory")

    def lstat(self, path: str) -> os.stat_result | None:
        """lstat(2) of `path`, whose links but the last are followed; None if it does not exist.

        Raises `UsageError` if a part of it that should be a directory is a file.
        """
        above, name = posixpath.split(path)
        try:
            parent = open_in_root(self.root, os.fsencode(above))
            if parent < 0:
                return None
            try:
                return os.lstat(name or ".", dir_fd=parent)
            finally:
                os.close(parent)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise UsageError(f"lstat {path}: not a directory") from None

    def follow(self, path: str) -> str:
        """`path` without symbolic links, dots and slashes at its end, whether anything is there or not."""
        todo, done, links = [part for part in reversed(path.split("/")) if part], "/", 0
        while todo:
            part = todo.pop()
            if part in (".", ".."):
                done = posixpath.dirname(done) if part == ".." else done
                continue
            here = posixpath.join(done, part)
            status = self.lstat(here)
            if status is None or not stat.S_ISLNK(status.st_mode):
                done = here
                continue
            links += 1
            if links > _MOST_LINKS:
                raise UsageError(f"too many symlinks in {path}")
            target = self.read_link(here)
            done = "/" if target.startswith("/") else done
            todo += [part for part in reversed(target.split("/")) if part]
        return done

    def read_link(self, path: str) -> str:
        """Where the symbolic link at `path` leads."""
        above, name = posixpath.split(path)
        parent = open_in_root(self.root, os.fsencode(above))
        try:
            return os.readlink(name, dir_fd=parent)
        finally:
            os.close(parent)


class Source(NamedTuple):
    """What is copied: a place without links but perhaps its last part, and the name that it goes by."""

    path: str
    name: str
    is_directory: bool


class Destination(NamedTuple):
    """Where it goes: the path as it was given, and without links, and what is there."""

    asked: str
    path: str
    status: os.stat_result | None

    @property
    def is_directory(self) -> bool:
        """Whether there is a directory."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


def source(tree: Tree, path: str, *, follow_link: bool) -> Source:
    """What the user means by `path`. Raises `NotFoundError` if there is no such file."""
    status = tree.lstat(path)
    is_link = status is not None and stat.S_ISLNK(status.st_mode)
    place_ = tree.follow(path) if follow_link or not is_link else _but_last(tree, path)
    if is_link and follow_link:
        status = tree.lstat(place_)
        path = path if status is not None else place_
    if status is None:
        raise tree.missing(path)
    name = "." if path.endswith("/.") else posixpath.basename(path.rstrip("/"))
    return Source(place_, name or ".", stat.S_ISDIR(status.st_mode))  # "/" means its content, as "/." does


def _but_last(tree: Tree, path: str) -> str:
    above, name = posixpath.split(path)
    return posixpath.join(tree.follow(above), name)


def destination(tree: Tree, path: str) -> Destination:
    """What is at `path` when all links are followed: perhaps nothing. Raises `UsageError` for a device."""
    try:
        place_ = tree.follow(path)
        status = tree.lstat(place_)
        if status and not stat.S_ISDIR(status.st_mode) and path.endswith(("/", "/.")):
            raise UsageError(f"stat {path}: not a directory")
    except UsageError:
        if not tree.container:
            raise
        place_, status = posixpath.normpath(path), None  # docker finds out when it unpacks
    if not tree.container and not os.path.isdir(posixpath.dirname(place_)):
        parent = posixpath.dirname(posixpath.normpath(path))
        raise NotFoundError(f'invalid output path: directory "{parent}" does not exist')
    if status and (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise UsageError(f'destination "{tree.shown(path)}" must be a directory or a regular file: got a device')
    return Destination(path, place_, status)


def copy(from_tree: Tree, what: Source, to_tree: Tree, where: Destination, owner: Owner) -> int:
    """Copy `what` to `where`; returns how many bytes of a tar stream that was.

    Raises `MinidockError` in docker's words for what does not fit.
    """
    directory, name = _names(what, where)
    return unpack(packed(from_tree, what._replace(name=name)), to_tree, directory, owner)


def packed(tree: Tree, what: Source) -> Iterator[bytes]:
    """`what` as a tar stream."""
    change = owners_inside(tree.maps)
    return pack(tree.root, os.fsencode(what.path.strip("/")), os.fsencode(what.name), change)


def _names(what: Source, where: Destination) -> tuple[str, str]:
    """The directory to unpack into, and the name there."""
    if where.is_directory:
        return where.path, what.name
    if where.status and what.is_directory:
        raise ConflictError("cannot copy directory")
    if not where.status and not what.is_directory and where.asked.endswith(("/", "/.")):
        raise NotFoundError("no such directory")
    directory, name = posixpath.split(where.path)
    return directory, name


def unpack(chunks: Iterator[bytes], tree: Tree, directory: str, owner: Owner) -> int:
    """Unpack a tar stream into `directory` of `tree`; returns its bytes. Raises `MinidockError` in docker's words."""
    status = tree.lstat(directory)
    if status is None:
        raise tree.missing(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError("extraction point is not a directory")
    fd = open_in_root(tree.root, os.fsencode(directory))
    try:
        if tree.container and os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            is_root = os.fstat(fd).st_dev == os.fstat(tree.root).st_dev
            raise ConflictError(f"{'container rootfs' if is_root else 'mounted volume'} is marked read-only")
    finally:
        os.close(fd)
    counted = _Counted(chunks)
    try:
        place(counted, tree.root, os.fsencode(directory), owner)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"{os.strerror(error.errno)}: make room and try again"
            raise MinidockError(f"copying to {tree.shown(directory)}: {why}") from error
        name = os.fsdecode(error.filename or b"")
        raise MinidockError(f"copying to {tree.shown(posixpath.join(directory, name))}: {error.strerror}") from error
    return counted.total


class _Counted(Iterator[bytes]):
    """The same chunks, and how many bytes they were."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.total = 0

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.total += len(chunk)
        return chunk
