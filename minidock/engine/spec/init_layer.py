"""The init layer: a layer between the image's and the container's own, with the mount points that every container
needs.

An image may have anything in the places where the runtime mounts: a file as /etc, a link as /proc, an /etc/resolv.conf
that leads to itself. Docker's rule, in what it calls the init layer: what is on the way to such a place and is no
directory is hidden, and what is missing then is made. Only a directory in the place of a file stays. It is no change of
the container's: `diff` and `commit` ignore it. Source: moby, daemon/initlayer/setup_unix.go.

    <root>/containers/<id>/init     made with the container
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from minidock.linux import copying, overlay, syscalls
from minidock.observe import step

DIRECTORIES = ("/dev/pts", "/dev/shm", "/proc", "/sys")
FILES = ("/.dockerenv", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/dev/console")
LINKS = {"/etc/mtab": "/proc/mounts"}


def make(directory: str, layers: list[str]) -> None:
    """Make the layer in `directory`, over the image's `layers` (topmost first). What exists already is kept."""
    with step("Create the init layer", book="3.5.5"):
        _make_directory(directory, None)
        for path in DIRECTORIES:
            _make_directories(directory, layers, path.split("/")[1:])
        for path in (*FILES, *LINKS):
            names = path.split("/")[1:]
            _make_directories(directory, layers, names[:-1])
            if not _is_directory(overlay.entry(layers, names)):
                _make_leaf(os.path.join(directory, *names), LINKS.get(path, ""))


def is_above(path: str) -> bool:
    """Whether something of the layer lies below `path`."""
    return any(place.startswith(f"{path.rstrip('/')}/") for place in (*DIRECTORIES, *FILES, *LINKS))


def _make_directories(directory: str, layers: list[str], names: list[str]) -> None:
    for depth in range(1, len(names) + 1):
        below = overlay.entry(layers, names[:depth])
        _make_directory(os.path.join(directory, *names[:depth]), below if _is_directory(below) else None)


def _make_directory(path: str, below: str | None) -> None:
    """A directory that is seen as one with the image's at `below`, if there is one: so with its owner and mode."""
    status = os.lstat(below) if below else None
    with suppress(FileExistsError):
        syscalls.mkdir(path, stat.S_IMODE(status.st_mode) if status else 0o755)
    if below and status:
        copying.copy_attributes(below, path, status)


def _make_leaf(path: str, target: str) -> None:
    with suppress(FileExistsError):
        if target:
            syscalls.symlink(target, path)
        else:
            syscalls.mknod(path, stat.S_IFREG | 0o755)


def _is_directory(path: str | None) -> bool:
    return path is not None and stat.S_ISDIR(os.lstat(path).st_mode)
