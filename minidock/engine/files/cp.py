"""`cp` as a user asks for it: out of a container, into it, either way as a tar stream. The rules: `copy_rules.py`."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.files import copy_rules, rootfs_view
from minidock.engine.files.copy_rules import Tree
from minidock.engine.spec import users
from minidock.errors import UsageError
from minidock.image.compression import Reader
from minidock.image.tar_into import Owner
from minidock.linux import id_maps, syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import step

_WHOSE_MAKES_THEM = Owner(-1, -1)


def out(root: str, name: str, path: str, local: str, *, follow_link: bool) -> int:
    """Copy `path` of the container called `name` to the host's path `local`, as the caller's own files.

    Returns how many bytes of a tar stream that was, as the other two do. Raises `MinidockError` in docker's words for
    what does not fit, before anything is written.
    """
    record = records.find(root, name)
    with _host() as host:
        with step("Look up the path on the host", book="4.7.4"):
            where = copy_rules.destination(host, _absolute(local))
        with _inside(record, name) as tree:
            with step("Look up the path in the container", book="4.7.4"):
                what = copy_rules.source(tree, _from_root(path), follow_link=follow_link)
            with step("Copy the files as a tar stream", book="4.7.4"):
                size = copy_rules.copy(tree, what, host, where, _WHOSE_MAKES_THEM)
    event_log.emit_container(root, "archive-path", record.data)
    return size


class PathStat(NamedTuple):
    """What is at a path of a container: bytes, a mode as stat(2) has it, nanoseconds since 1970."""

    name: str
    size: int
    mode: int
    modified: int
    link_target: str

    @property
    def go_mode(self) -> int:
        """The mode as Go's io/fs.FileMode, which programs in Go have as a number."""
        kinds = {stat.S_IFDIR: 1 << 31, stat.S_IFLNK: 1 << 27, stat.S_IFBLK: 1 << 26,
                 stat.S_IFIFO: 1 << 25, stat.S_IFSOCK: 1 << 24,
                 stat.S_IFCHR: 1 << 26 | 1 << 21}  # fmt: skip
        more = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}
        found = self.mode & 0o777 | kinds.get(stat.S_IFMT(self.mode), 0)
        return found | sum(bit for mask, bit in more.items() if self.mode & mask)


def stat_path(root: str, name: str, path: str) -> PathStat:
    """What is at `path` of the container called `name`. Raises `NotFoundError`."""
    with _inside(records.find(root, name), name) as tree:
        return _stat(tree, _from_root(path))


def _stat(tree: Tree, path: str) -> PathStat:
    what = copy_rules.source(tree, path, follow_link=False)
    status = tree.lstat(what.path)
    assert status is not None, "it was there just now, and nobody can follow a path twice into another file"
    is_link = stat.S_ISLNK(status.st_mode)
    name = posixpath.basename(posixpath.normpath(path)) or "/"
    target = tree.follow(what.path) if is_link else ""
    return PathStat(name, status.st_size, status.st_mode, status.st_mtime_ns, target)


def stat_and_tar(root: str, name: str, path: str) -> tuple[PathStat, Iterator[bytes]]:
    """What is at `path`, and that as a tar stream. Raises `NotFoundError` before anything is given out."""
    pieces = out_as_tar(root, name, path, follow_link=False)
    return stat_path(root, name, path), pieces


def out_as_tar(root: str, name: str, path: str, *, follow_link: bool) -> Iterator[bytes]:
    """`path` of the container called `name` as a tar stream."""
    record = records.find(root, name)
    with _inside(record, name) as tree:
        with step("Look up the path in the container", book="4.7.4"):
            what = copy_rules.source(tree, _from_root(path), follow_link=follow_link)
        with step("Copy the files as a tar stream", book="4.7.4"):
            yield from copy_rules.packed(tree, what)
    event_log.emit_container(root, "archive-path", record.data)


def into(root: str, name: str, local: str, path: str, *, follow_link: bool, archive: bool) -> int:
    """Copy the host's `local` to `path` of the container called `name`.

    The files keep their owners' numbers; with `archive` they are given to the container's own user, if it has one.
    """
    record = records.find(root, name)
    with _host() as host, _inside(record, name) as tree:
        with step("Look up the path on the host", book="4.7.4"):
            what = copy_rules.source(host, _absolute(local), follow_link=follow_link)
        with step("Look up the path in the container", book="4.7.4"):
            where = copy_rules.destination(tree, _from_root(path))
        with step("Copy the files as a tar stream", book="4.7.4"):
            size = copy_rules.copy(host, what, tree, where, _owner(record, tree, archive=archive))
    event_log.emit_container(root, "extract-to-dir", record.data)
    return size


def tar_into(root: str, name: str, stream: Reader, path: str, *, archive: bool) -> int:
    """Unpack a tar stream, which may be compressed, into the directory `path` of the container called `name`."""
    from minidock.image.unpack_layers import LayerSource

    record = records.find(root, name)
    with _inside(record, name) as tree:
        with step("Look up the path in the container", book="4.7.4"):
            where = copy_rules.destination(tree, _from_root(path))
        if not where.is_directory:
            raise UsageError(f'destination "{tree.shown(path)}" must be a directory')
        with step("Copy the files as a tar stream", book="4.7.4"):
            size = copy_rules.unpack(
                LayerSource(stream).chunks(), tree, where.path, _owner(record, tree, archive=archive)
            )
    event_log.emit_container(root, "extract-to-dir", record.data)
    return size


@contextmanager
def _host() -> Iterator[Tree]:
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Tree(root, "")
    finally:
        os.close(root)


@contextmanager
def _inside(record: Record, name: str) -> Iterator[Tree]:
    with rootfs_view.opened(record) as root:
        yield Tree(root, name, id_maps.from_record(record.data.get("idMaps")))


def _absolute(local: str) -> str:
    """A path of the host's seen from its root; a slash or dot at its end is kept, as it means something."""
    return os.path.join(os.getcwd(), local)


def _from_root(path: str) -> str:
    """A path of a container's: it has no other working directory than its root."""
    return path if path.startswith("/") else f"/{path}"


def _owner(record: Record, tree: Tree, *, archive: bool) -> Owner:
    wanted = record.data["options"]["user"] or record.data["imageConfig"].get("User")
    if not archive or not wanted:
        return Owner(None, None, tree.maps)
    user = users.look_up_inside(tree.root, wanted)
    return Owner(user.uid, user.gid, tree.maps)
