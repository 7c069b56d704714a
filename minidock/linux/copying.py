"""Copies of files with everything that belongs to them: owner, mode, times, extended attributes, hard links, holes.

The source is one tree or several layers seen as one (`overlay.listing`); symbolic links in it are copied and never
followed. Sources: inode(7), xattr(7), lseek(2) "Seeking file data and holes", copy_file_range(2).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from minidock.linux import overlay, syscalls

if TYPE_CHECKING:
    from minidock.linux.id_maps import IdMaps

# Attributes of overlayfs itself: where a layer's file came from, what it hides.
_OWN_XATTRS = ("trusted.overlay.", "user.overlay.")
_NOT_BETWEEN_THESE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_NO_XATTRS = (errno.EOPNOTSUPP, errno.EPERM)
_CHUNK = 1 << 20


def copy_tree(places: list[str], target: str, maps: IdMaps | None = None) -> None:
    """Copy the directory that `places` (topmost first) make together into the empty directory `target`.

    `target` gets owner, mode and the other attributes of the topmost one. `maps`: owners are those of a user namespace,
    and the copies get the ids that those are outside. Raises `OSError`, and leaves what it has copied.
    """
    directories = [(places[0], target)]
    first_names: dict[tuple[int, int], str] = {}
    pending = [(places, target)]
    while pending:
        places, inside = pending.pop()
        for name, found in overlay.listing(places).items():
            source, copy = found[0], os.path.join(inside, name)
            status = os.lstat(source)
            if stat.S_ISDIR(status.st_mode):
                syscalls.mkdir(copy, 0o700)
                directories.append((source, copy))
                pending.append((found, copy))
                continue
            first = first_names.setdefault((status.st_dev, status.st_ino), copy)
            if first != copy:
                syscalls.link(first, copy, follow_symlinks=False)
            else:
                copy_file(source, copy, status, maps)
    for source, copy in reversed(directories):  # last: files that are made inside change a directory's times
        copy_attributes(source, copy, os.lstat(source), maps)


def copy_file(source: str, target: str, status: os.stat_result, maps: IdMaps | None = None) -> None:
    """Copy anything but a directory; `status` is its lstat(2). A device node is copied as a node."""
    if stat.S_ISREG(status.st_mode):
        _copy_content(source, target, status.st_size)
    elif stat.S_ISLNK(status.st_mode):
        syscalls.symlink(os.readlink(source), target)
    else:
        syscalls.mknod(target, status.st_mode, status.st_rdev)
    copy_attributes(source, target, status, maps)


def copy_attributes(source: str, target: str, status: os.stat_result, maps: IdMaps | None = None) -> None:
    """Owner, extended attributes, mode, times; in this order: chown(2) takes set-uid bits and capabilities away."""
    owner = maps.outside(status.st_uid, status.st_gid) if maps else (status.st_uid, status.st_gid)
    syscalls.chown(target, *owner, follow_symlinks=False)
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(_OWN_XATTRS):
            value = os.getxattr(source, name, follow_symlinks=False)
            if maps and name == "security.capability":
                from minidock.linux import file_capabilities

                value = file_capabilities.for_root(value, maps.outside(0, 0)[0])
            try:
                syscalls.setxattr(target, name, value, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_XATTRS:  # a file system that has none of this kind
                    raise
    if not stat.S_ISLNK(status.st_mode):
        syscalls.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy_content(source: str, target: str, size: int) -> None:
    """Copy the data: holes stay holes, and of a file that is growing only the first `size` bytes are copied."""
    reading = syscalls.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writing = syscalls.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            end = 0
            while (start := _seek_data(reading, end)) is not None and start < size:
                end = min(size, os.lseek(reading, start, os.SEEK_HOLE))
                _copy_range(reading, writing, start, end)
            os.ftruncate(writing, size)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _seek_data(fd: int, offset: int) -> int | None:
    """Where the next data begins, from `offset` on; None if there is no more."""
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _copy_range(reading: int, writing: int, start: int, end: int) -> None:
    """Copy inside the kernel if possible, which can share the blocks on some file systems."""
    while start < end:
        try:
            done = os.copy_file_range(reading, writing, min(end - start, 1 << 30), start, start)
        except OSError as error:
            if error.errno not in _NOT_BETWEEN_THESE:
                raise
            done = os.pwrite(writing, os.pread(reading, min(end - start, _CHUNK), start), start)
        if not done:
            return  # it has become shorter meanwhile
        start += done
