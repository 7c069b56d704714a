"""Extraction: tar entries become files below one directory, and nowhere else.

The kernel looks up every path with the layer's directory as its root (`linux/openat2.py`), so that no "..", symbolic
link or hard link in a hostile layer leads outside. The result is what docker creates on overlayfs, with whiteouts in
overlayfs's form (kernel: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile

from minidock.image import entries
from minidock.image.compression import CorruptArchive
from minidock.image.tarstream import TarStream
from minidock.linux import overlay, syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.linux.openat2 import open_in_root

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORIES = 64
_IMPLIED_MODE = 0o755  # of a directory that the archive uses and does not list; docker's too
# A file system without extended attributes, or an attribute that it does not know: docker leaves those out as
# well.
_NO_XATTR = (errno.ENOTSUP, errno.EPERM)


class Extractor:
    """Creates the files of one layer in the directory `path`. Use as a context manager.

    `trash` is a path on the same file system that does not exist: files that a later entry replaces are moved there.
    """

    whiteouts = True  # whether names that begin with .wh. are whiteouts

    def __init__(self, path: str, trash: str) -> None:
        self._trash = trash
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: dict[bytes, int] = {}  # directories, least recently used first
        self._moved = False  # whether one of them may have been moved to the trash
        self._directory_times: dict[bytes, tuple[int, int]] = {}

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_directories()
        os.close(self._root)

    def add(self, entry: tarfile.TarInfo, archive: TarStream) -> None:
        """Create the file of `entry`. Raises `CorruptArchive`, `UnsafePath`, or `OSError` from the kernel."""
        parts = entries.components(entry.name)
        if not parts:
            self._add_root(entry)
            return
        *above, name = parts
        path = b"/".join(above)
        if self._moved:
            self._forget_directories()
        parent = self._directory(path)
        if self.whiteouts and name.startswith(entries.WHITEOUT_PREFIX):
            self._add_whiteout(entry, parent, name)
        elif entry.isdir():
            self._add_directory(entry, parent, name)
            self._directory_times[path + b"/" + name] = entries.times(entry)
        elif entry.isreg():
            self._add_file(entry, parent, name, archive)
        elif entry.islnk():
            self._add_hard_link(entry, parent, name)
        else:
            self._add_special(entry, parent, name)

    def finish(self) -> None:
        """Set the times of directories, which creating files in them has changed."""
        for path, times in self._directory_times.items():
            above, _, name = path.rpartition(b"/")
            parent = open_in_root(self._root, above)
            if parent < 0:
                continue  # replaced by a later entry
            try:
                if stat.S_ISDIR(os.lstat(name or b".", dir_fd=parent).st_mode):
                    os.utime(name or b".", ns=times, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                pass
            finally:
                os.close(parent)

    def _add_root(self, entry: tarfile.TarInfo) -> None:
        if not entry.isdir():
            raise CorruptArchive(f"the archive's root {entry.name!r} is not a directory")
        self._set_attributes(entry, self._root)
        self._directory_times[b""] = entries.times(entry)

    def _add_directory(self, entry: tarfile.TarInfo, parent: int, name: bytes) -> None:
        hides = self._is_whiteout(parent, name)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                self._remove(parent, name)
                os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._set_attributes(entry, fd)
            if hides:
                self._make_opaque(fd)
        finally:
            os.close(fd)

    def _add_file(self, entry: tarfile.TarInfo, parent: int, name: bytes, archive: TarStream) -> None:
        try:
            fd = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._remove(parent, name)
            fd = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            archive.copy(entry, fd)
            self._set_attributes(entry, fd)
            os.utime(fd, ns=entries.times(entry))
        finally:
            os.close(fd)

    def _add_hard_link(self, entry: tarfile.TarInfo, parent: int, name: bytes) -> None:
        *above, target = entries.components(entry.linkname) or [b"."]
        self._remove(parent, name)
        source = open_in_root(self._root, b"/".join(above))
        try:
            if source < 0:
                raise FileNotFoundError
            os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, PermissionError) as error:  # EPERM: link(2) to a directory
            raise CorruptArchive(
                f"{entry.name!r} is a hard link to {entry.linkname!r}, which is no file of this archive"
            ) from error
        finally:
            if source >= 0:
                os.close(source)

    def _add_special(self, entry: tarfile.TarInfo, parent: int, name: bytes) -> None:
        """Create a symbolic link, with any text; a FIFO; or a device node.

        Device nodes are harmless: a container's device rules forbid them, and other users of the host have no access to
        the layers' directory.
        """
        self._remove(parent, name)
        if entry.issym():
            os.symlink(entries.as_bytes(entry.linkname), name, dir_fd=parent)
        elif entry.isfifo():
            syscalls.mknod(name, stat.S_IFIFO | 0o600, dir_fd=parent)
        elif entry.isdev():
            kind = stat.S_IFCHR if entry.ischr() else stat.S_IFBLK
            syscalls.mknod(name, kind | 0o600, os.makedev(entry.devmajor, entry.devminor), dir_fd=parent)
        else:
            raise CorruptArchive(f"{entry.name!r} is of the type {entry.type!r}, which no layer may have")
        os.chown(name, *self._owner(entry), dir_fd=parent, follow_symlinks=False)
        for attribute, value in entries.xattrs(entry):
            self._set_xattr(f"/proc/self/fd/{parent}/{os.fsdecode(name)}", attribute, value)
        if not entry.issym():
            os.chmod(name, entry.mode & 0o7777, dir_fd=parent)
        os.utime(name, ns=entries.times(entry), dir_fd=parent, follow_symlinks=False)

    def _add_whiteout(self, entry: tarfile.TarInfo, parent: int, name: bytes) -> None:
        """Create overlayfs's form of a whiteout: a character device 0/0, or an attribute of the directory.

        It hides what lower layers contain, not what this one contains, in whichever order the entries come.
        """
        if name == entries.WHITEOUT_OPAQUE:
            self._make_opaque(parent)
        elif not name.startswith(entries.WHITEOUT_META_PREFIX):
            hidden = entries.hidden_name(name)
            try:
                syscalls.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
                os.utime(hidden, ns=entries.times(entry), dir_fd=parent, follow_symlinks=False)
            except FileExistsError:
                if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                    fd = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                    try:
                        self._make_opaque(fd)
                    finally:
                        os.close(fd)

    def _make_opaque(self, directory: int) -> None:
        syscalls.setxattr(directory, overlay.OPAQUE, b"y")

    def _is_whiteout(self, parent: int, name: bytes) -> bool:
        try:
            return overlay.is_whiteout(os.lstat(name, dir_fd=parent))
        except FileNotFoundError:
            return False

    def _owner(self, entry: tarfile.TarInfo) -> tuple[int, int]:
        return entry.uid, entry.gid

    def _set_attributes(self, entry: tarfile.TarInfo, fd: int) -> None:
        """Set owner, extended attributes, mode, in this order: chown(2) clears set-uid bits and file capabilities."""
        os.fchown(fd, *self._owner(entry))
        if entry.pax_headers:
            for attribute, value in entries.xattrs(entry):
                self._set_xattr(fd, attribute, value)
        os.fchmod(fd, entry.mode & 0o7777)

    def _set_xattr(self, file: int | str, attribute: str, value: bytes) -> None:
        try:
            os.setxattr(file, attribute, value, follow_symlinks=isinstance(file, int))
        except OSError as error:
            if error.errno not in _NO_XATTR:
                raise

    def _remove(self, parent: int, name: bytes) -> None:
        """Remove what exists under the name of an entry; a directory with all below it."""
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            self._moved = True
            os.rename(name, self._trash, src_dir_fd=parent)
            remove_tree(self._trash)

    def _directory(self, path: bytes) -> int:
        """A descriptor of the directory `path` of the layer, created if missing. It stays open in `self`."""
        fd = self._open.pop(path, -1)
        if fd < 0:
            fd = open_in_root(self._root, path)
            if fd < 0:
                fd = self._make_directory(path)
            if len(self._open) >= _OPEN_DIRECTORIES:
                os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = fd
        return fd

    def _make_directory(self, path: bytes) -> int:
        """mkdir -p. A dangling link on the way is an error, as for docker."""
        made = b""
        for part in path.split(b"/"):
            parent = open_in_root(self._root, made)
            if parent < 0:
                break
            try:
                os.mkdir(part, _IMPLIED_MODE, dir_fd=parent)
                os.chmod(part, _IMPLIED_MODE, dir_fd=parent)  # whatever the umask is
            except FileExistsError:
                pass
            finally:
                os.close(parent)
            made = made + b"/" + part if made else part
        fd = open_in_root(self._root, path)
        if fd < 0:
            raise CorruptArchive(f"{os.fsdecode(path)!r} is a link that leads nowhere, and is used as a directory")
        return fd

    def _forget_directories(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
        self._moved = False
