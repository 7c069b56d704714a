"""Paths below a directory, opened as if that were the root (openat2(2), RESOLVE_IN_ROOT).

Cleaning a path as text and then opening it is not safe from symbolic links: `a/b` looks harmless, and leads to /etc if
`a` is a link to /. Here the kernel looks up the path with the directory as "/", so links and ".." stay inside, as after
chroot(2), but without changing the process.
"""

from __future__ import annotations

import errno
import os
import stat

from minidock.linux import syscalls

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_MOST_TRIES = 10_000
_MOST_LINKS = 40  # as many as the kernel follows (path_resolution(7))


def look_up(root: int, path: str, flags: int, resolve: int = syscalls.RESOLVE_IN_ROOT) -> int:
    """openat2(2) of `path` below the directory `root`: for every look-up in a tree that is not trusted.

    A rename or a mount anywhere on the machine makes a ".." uncertain, and the kernel returns EAGAIN: "the caller
    should retry"; or EXDEV, if the look-up was outside because of it. A process that renames all the time could cause
    that often, so after many tries the error is raised.
    """
    for _ in range(_MOST_TRIES):
        try:
            return syscalls.openat2(root, path, flags, resolve=resolve)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EXDEV):
                raise
            last = error
    raise last


def open_in_root(root: int, path: bytes, flags: int = DIRECTORY) -> int:
    """Open `path` below the directory `root`, links followed inside it; -1 if a part of it does not exist."""
    try:
        return look_up(root, os.fsdecode(path) or ".", flags)
    except FileNotFoundError:
        return -1


def open_in(root: int, path: str) -> int:
    """An O_PATH descriptor of `path` inside the directory `root`; symbolic links are followed inside it."""
    return look_up(root, path.lstrip("/") or ".", syscalls.O_PATH)


def make_in(root: int, path: str, *, directory: bool, mode: int = 0o755, links: int = 0) -> int:
    """`open_in`, creating what is missing: directories on the way (0755), at the end one with `mode`, or an empty file.

    For a dangling symbolic link, its target is created. What is created is opened right there, and not looked up from
    `root` again: another process may exchange directories on the way (a volume is shared with other containers).
    `links`: how many such links were followed already.
    """
    try:
        return open_in(root, path)
    except FileNotFoundError:
        pass
    above, name = os.path.split(path.rstrip("/"))
    parent = make_in(root, above or "/", directory=True, links=links)
    made = False
    try:
        try:
            if directory:
                syscalls.mkdir(name, mode, dir_fd=parent)
                made = True
            else:
                syscalls.mknod(name, stat.S_IFREG | 0o644, dir_fd=parent)
        except FileExistsError:
            if name != ".." and _is_link(name, parent):
                if links == _MOST_LINKS:
                    raise OSError(errno.ELOOP, f"{path}: {os.strerror(errno.ELOOP)}") from None
                target = os.path.join(above, os.readlink(name, dir_fd=parent))
                return make_in(root, target, directory=directory, mode=mode, links=links + 1)
            if name == "..":
                return open_in(root, path)
            # Another container's start has created the same in a shared volume.
        fd = look_up(parent, name, syscalls.O_PATH, syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS)
        if made and mode != 0o755:  # of which the umask has taken some
            syscalls.chmod(descriptor_path(fd), mode)
        return fd
    finally:
        os.close(parent)


def _is_link(name: str, parent: int) -> bool:
    return stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode)


def path_in(root: int, fd: int) -> str:
    """The path of the open file `fd` relative to `root`, without symbolic links."""
    place = os.path.relpath(os.readlink(descriptor_path(fd)), os.readlink(descriptor_path(root)))
    return "/" if place == "." else f"/{place}"


def descriptor_path(fd: int) -> str:
    """A path for an open file (/proc/self/fd/N), for calls that take only paths."""
    return f"/proc/self/fd/{fd}"
