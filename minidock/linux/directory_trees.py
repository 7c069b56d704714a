"""Whole directories, however deep: removed and measured without following a symbolic link.

A directory made by a container, or by a hostile image, can be nested deeper than any recursion, path length (PATH_MAX)
or number of open files allows. So nothing here recurses, and no path is built from names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from minidock.linux import syscalls

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(top: str) -> None:
    """Remove the directory `top` and all below it. Another process may be doing the same.

    Each directory that is found two levels down is moved up into `top`, and removed from there.
    """
    while _is_directory(top):
        with suppress(FileNotFoundError):  # what the other one removed under our eyes; look again
            _remove(top)


def _is_directory(path: str) -> bool:
    """Unlike os.path.isdir, which says no to what it cannot look at, this raises `OSError`."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _remove(top: str) -> None:
    moved, prefix = 0, os.urandom(8).hex()  # no entry of the tree can have been given such a name
    fd = os.open(top, _FLAGS)
    try:
        while directories := _unlink_files(fd):
            for name in directories:
                inner = os.open(name, _FLAGS, dir_fd=fd)
                try:
                    for child in _unlink_files(inner):
                        moved += 1
                        syscalls.rename(child, f"{prefix}-{moved}", src_dir_fd=inner, dst_dir_fd=fd)
                finally:
                    os.close(inner)
                syscalls.rmdir(name, dir_fd=fd)
        syscalls.rmdir(top)
    finally:
        os.close(fd)


def _unlink_files(fd: int) -> list[str]:
    """Unlink everything in the directory `fd` but directories, whose names are returned.

    The descriptor is rewound before each listing: btrfs lists nothing that was added after it was opened or rewound.
    """
    directories = []
    os.lseek(fd, 0, os.SEEK_SET)
    with os.scandir(fd) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            else:
                syscalls.unlink(entry.name, dir_fd=fd)
    return directories


def walk(top: str, *, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """os.walk, but raising `OSError` for a directory that cannot be listed, which that silently leaves out.

    What is removed in between is left out.
    """
    return os.walk(top, topdown=topdown, onerror=_raise)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def tree_size(top: str) -> int:
    """The bytes in the files below a directory; a file with several names counts once.

    Files that a running container removes in between do not count, nor those nested deeper than this process may have
    files open.
    """
    total, seen = 0, set()
    open_directories: list[tuple[int, list[str]]] = []
    with suppress(FileNotFoundError):
        open_directories.append(_opened(os.open(top, _FLAGS)))
    while open_directories:
        fd, names = open_directories[-1]
        if not names:
            os.close(open_directories.pop()[0])
            continue
        with suppress(OSError):
            name = names.pop()
            status = os.lstat(name, dir_fd=fd)
            if stat.S_ISDIR(status.st_mode):
                open_directories.append(_opened(os.open(name, _FLAGS, dir_fd=fd)))
            elif status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                total += status.st_size
                seen.add((status.st_dev, status.st_ino))
    return total


def _opened(fd: int) -> tuple[int, list[str]]:
    return fd, os.listdir(fd)
