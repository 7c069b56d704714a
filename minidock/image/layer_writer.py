"""Write a container's changes, the upper directory, as a layer (book, chapter 1, 3.5.4; OCI image spec, layer.md).

The same directory always gives the same bytes: entries are sorted, headers have one form (pax, owners as numbers), and
nothing depends on the machine or the time. Whiteouts are converted from overlayfs's form into that of archives.

Extended attributes that are kept are file capabilities, access control lists and those of users; `trusted.*` belongs to
overlayfs, and `security.selinux` to this machine. Sockets are left out.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Collection, Iterator

from minidock.errors import HostError
from minidock.image.entries import WHITEOUT_OPAQUE, WHITEOUT_PREFIX
from minidock.linux import file_capabilities
from minidock.linux.id_maps import IdMaps
from minidock.linux.openat2 import open_in_root
from minidock.linux.overlay import OPAQUE, is_whiteout

_KEPT_XATTRS = ("security.capability", "user.", "system.posix_acl_")
# A directory renamed with redirect_dir=on, a file copied up without content by metacopy=on: half is in a lower layer.
_BORROWED = tuple(f"{kind}.overlay.{what}" for kind in ("trusted", "user") for what in ("redirect", "metacopy"))
Change = Callable[[tarfile.TarInfo], None]
_CHUNK = 256 << 10
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


def layer_tar(upper: str, only: Collection[str] | None = None, change: Change | None = None) -> Iterator[bytes]:
    """The tar archive, piece by piece, of what the overlayfs directory `upper` adds to the layers below it.

    The directory itself is left out, and with `only` everything but these absolute paths. Its container may run, and
    rename files in between: nothing outside `upper` is read. Raises `HostError` for a file that changes while it is
    read, or whose content is partly in a lower layer. `change` may give each entry another owner, mode or time.
    """
    root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    first_names: dict[tuple[int, int], str] = {}
    wanted = None if only is None else {os.fsencode(path.strip("/")) for path in only}
    try:
        pending = [b""]
        while pending:
            path = pending.pop()
            if not path:
                pending += reversed(names(root, b""))
                continue
            if wanted is not None and path not in wanted:
                continue
            above, _, name = path.rpartition(b"/")
            parent = open_in_root(root, above)
            if parent < 0:
                continue  # gone meanwhile
            try:
                status = os.lstat(name, dir_fd=parent)
                yield from tar_entry(parent, path, name, status, first_names, change=change)
            except FileNotFoundError:
                continue
            finally:
                os.close(parent)
            if stat.S_ISDIR(status.st_mode):
                pending += reversed(names(root, path))
        yield bytes(2 * tarfile.BLOCKSIZE)
    finally:
        os.close(root)


def owners_inside(maps: IdMaps | None) -> Change | None:
    """A change of entries: to the owners that a container with these maps sees."""
    if maps is None:
        return None

    def change(info: tarfile.TarInfo) -> None:
        info.uid, info.gid = maps.inside(info.uid, info.gid)

    return change


class PieceReader:
    """A stream to read an archive from that comes piece by piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        while len(self._buffer) < size and (piece := next(self._pieces, None)) is not None:
            self._buffer += piece  # an empty piece is not the end
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class TarReader(PieceReader):
    """The archive of `layer_tar` as a stream to read from."""

    def __init__(self, upper: str, only: Collection[str] | None = None, change: Change | None = None) -> None:
        super().__init__(layer_tar(upper, only, change))


def names(root: int, path: bytes) -> list[bytes]:
    """The paths of the entries of the directory `path`, sorted."""
    fd = open_in_root(root, path)
    if fd < 0:
        return []
    try:
        prefix = path + b"/" if path else b""
        return sorted(prefix + os.fsencode(name) for name in os.listdir(fd))
    finally:
        os.close(fd)


def tar_entry(
    parent: int,
    path: bytes,
    name: bytes,
    status: os.stat_result,
    first_names: dict[tuple[int, int], str],
    *,
    is_layer: bool = True,
    change: Change | None = None,
) -> Iterator[bytes]:
    """The header, and content, of the file `name` in the directory `parent`, as `path` in the archive.

    `is_layer`: whether the directory is an overlayfs upper directory. `change` may give it another owner, mode or time.
    """
    if is_layer and is_whiteout(status):
        above, slash, _ = path.rpartition(b"/")
        yield _header(tarfile.TarInfo(_text(above + slash + WHITEOUT_PREFIX + name)))
        return
    kind = _TYPES.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return
    info = _info(path, kind, status, exact=is_layer)
    if change:
        change(info)
    # Links repeat what their file has: docker sets attributes anew for each, and would lose those that are missing.
    opaque = _add_xattrs(info, f"/proc/self/fd/{parent}/{os.fsdecode(name)}", is_layer=is_layer)
    inode = (status.st_dev, status.st_ino)
    if kind != tarfile.DIRTYPE and status.st_nlink > 1 and first_names.setdefault(inode, info.name) != info.name:
        info.type, info.linkname = tarfile.LNKTYPE, first_names[inode]
        yield _header(info)
        return
    if kind == tarfile.SYMTYPE:
        info.linkname = _text(os.readlink(name, dir_fd=parent))
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if kind == tarfile.REGTYPE:
        yield from _file(parent, name, info, status.st_size)
    else:
        yield _header(info)
    if opaque:
        yield _header(tarfile.TarInfo(_text(path + b"/" + WHITEOUT_OPAQUE)))


def _info(path: bytes, kind: bytes, status: os.stat_result, *, exact: bool) -> tarfile.TarInfo:
    """`exact`: with the nanoseconds of its time, which take a header of their own; docker's copies have none."""
    info = tarfile.TarInfo(_text(path))
    info.type, info.mode = kind, stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    seconds, nanoseconds = divmod(status.st_mtime_ns, 1_000_000_000)
    info.mtime = seconds
    if nanoseconds and exact:
        sign, whole = ("-", -status.st_mtime_ns) if status.st_mtime_ns < 0 else ("", status.st_mtime_ns)
        text = f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}".rstrip("0")
        info.pax_headers = {"mtime": text}
        info.mtime = max(seconds, 0)
    return info


def _file(parent: int, name: bytes, info: tarfile.TarInfo, size: int) -> Iterator[bytes]:
    fd = os.open(name, _READ, dir_fd=parent)
    try:
        info.size = size
        yield _header(info)
        left = size
        while left:
            data = os.read(fd, min(left, _CHUNK))
            if not data:
                raise HostError(f"{info.name!r} became shorter while it was read: stop or pause the container first")
            left -= len(data)
            yield data
        yield bytes(-size % tarfile.BLOCKSIZE)
    finally:
        os.close(fd)


def _add_xattrs(info: tarfile.TarInfo, path: str, *, is_layer: bool) -> bool:
    """Add the attributes to keep as pax records, sorted; whether the file is an opaque directory."""
    opaque, records = False, dict(info.pax_headers)
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if is_layer and name in _BORROWED:
            raise HostError(f"{info.name!r} has the attribute {name}, and is not all in this directory")
        if name.startswith(_KEPT_XATTRS) and not (is_layer and name.startswith("user.overlay.")):
            value = os.getxattr(path, name, follow_symlinks=False)
            if name == file_capabilities.ATTRIBUTE:  # not for the root of this container's user namespace only
                value = file_capabilities.for_any_root(value)
            records[f"SCHILY.xattr.{name}"] = _text(value)
        opaque = opaque or (is_layer and name == OPAQUE and os.getxattr(path, name, follow_symlinks=False) == b"y")
    info.pax_headers = records
    return opaque


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    """Bytes of any encoding as tarfile wants them; it writes the same bytes."""
    return raw.decode("utf-8", "surrogateescape")
