"""Mounts: building the tree that a container sees, and making it the root (book 3.5.1).

Every target is looked up with openat2(2) and RESOLVE_IN_ROOT, so that a symbolic link inside an image cannot lead a
mount to a place outside the new root (CVE-2019-19921, CVE-2021-30465 were such), and mounted on through its open
descriptor. Sources: mount(2), pivot_root(2), mount_namespaces(7).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minidock.errors import HostError
from minidock.linux import syscalls
from minidock.linux.syscalls import (
    MNT_DETACH,
    MS_BIND,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
)

# Option words of mount(8), as the OCI specification uses them: (flags to set, flags to clear).
FLAG_OPTIONS: dict[str, tuple[int, int]] = {
    "defaults": (0, 0),
    "ro": (MS_RDONLY, 0),
    "rw": (0, MS_RDONLY),
    "nosuid": (syscalls.MS_NOSUID, 0),
    "suid": (0, syscalls.MS_NOSUID),
    "nodev": (syscalls.MS_NODEV, 0),
    "dev": (0, syscalls.MS_NODEV),
    "noexec": (syscalls.MS_NOEXEC, 0),
    "exec": (0, syscalls.MS_NOEXEC),
    "sync": (syscalls.MS_SYNCHRONOUS, 0),
    "async": (0, syscalls.MS_SYNCHRONOUS),
    "dirsync": (syscalls.MS_DIRSYNC, 0),
    "noatime": (syscalls.MS_NOATIME, 0),
    "atime": (0, syscalls.MS_NOATIME),
    "nodiratime": (syscalls.MS_NODIRATIME, 0),
    "diratime": (0, syscalls.MS_NODIRATIME),
    "relatime": (syscalls.MS_RELATIME, 0),
    "norelatime": (0, syscalls.MS_RELATIME),
    "strictatime": (syscalls.MS_STRICTATIME, 0),
    "nostrictatime": (0, syscalls.MS_STRICTATIME),
    "bind": (MS_BIND, 0),
    "rbind": (MS_BIND | MS_REC, 0),
}
PROPAGATION_OPTIONS = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}


# Our own word, for a bind of something inside `source` that must not be led out of it; mount(8) leaves words that begin
# with X- to whoever reads them.
SUBPATH = "X-minidock.subpath="
# The same for a mount and all mounts below it (mount_setattr(2), AT_RECURSIVE).
RECURSIVE_OPTIONS = {
    "rro": syscalls.MOUNT_ATTR_RDONLY,
    "rnosuid": syscalls.MOUNT_ATTR_NOSUID,
    "rnodev": syscalls.MOUNT_ATTR_NODEV,
    "rnoexec": syscalls.MOUNT_ATTR_NOEXEC,
}


def parse_options(options: list[str]) -> tuple[int, list[int], str]:
    """Split mount(8) options into (flags, propagation changes, data for the file system)."""
    flags, propagation, data = 0, [], []
    for option in options:
        if option in FLAG_OPTIONS:
            add, remove = FLAG_OPTIONS[option]
            flags = flags & ~remove | add
        elif option in PROPAGATION_OPTIONS:
            propagation.append(PROPAGATION_OPTIONS[option])
        else:
            data.append(option)
    return flags, propagation, ",".join(data)


def set_propagation(target: str, flags: int) -> None:
    """Say whether mounts made on one side of a copied tree show up on the other (mount_namespaces(7))."""
    syscalls.mount(None, target, None, flags)


def propagation_of(path: str) -> tuple[str, set[str]]:
    """Where the mount that `path` lies on is mounted; which of "shared", "slave" it is (proc_pid_mountinfo(5))."""
    path = os.path.realpath(path)
    place, kinds = "/", set()
    for where, fields, _ in _mountinfo():
        # A later mount on the same place hides an earlier one.
        if len(where) >= len(place) and _is_below(path, where):
            names = {"shared": "shared", "master": "slave"}
            place, kinds = where, {names[word] for field in fields if (word := field.partition(":")[0]) in names}
    return place, kinds


def mounted_at_or_below(path: str) -> list[str]:
    """The mount points at `path` and below, in the order in which they were mounted. A bind on the same file system
    is one too, which stat(2), and so `os.path.ismount`, cannot tell."""
    path = os.path.realpath(path)
    return [where for where, _, _ in _mountinfo() if _is_below(where, path)]


def filesystem_of(path: str) -> str:
    """The type of the file system that `path`, or its nearest directory that is there, lies on: ext4, overlay, ..."""
    path = os.path.realpath(path)
    place, found = "/", ""
    for where, _, kind in _mountinfo():
        if len(where) >= len(place) and _is_below(path, where):
            place, found = where, kind
    return found


def _mountinfo() -> Iterator[tuple[str, list[str], str]]:
    """(mount point, optional fields, file system type) of every mount of this namespace (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            fields = before.split(" ")
            place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            yield place, fields[6:], after.partition(" ")[0]


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")


def open_in(root: int, path: str) -> int:
    """An O_PATH descriptor of `path` inside the directory `root`, wherever symbolic links would like to lead."""
    return syscalls.openat2(root, path.lstrip("/") or ".", syscalls.O_PATH, resolve=syscalls.RESOLVE_IN_ROOT)


def make_in(root: int, path: str, *, directory: bool) -> int:
    """`open_in`, making what is missing: directories on the way (0755), at the end a directory or an empty file.

    A symbolic link to nothing gets the something that it leads to: many a system's /etc/resolv.conf is such a link.
    """
    try:
        return open_in(root, path)
    except FileNotFoundError:
        pass
    above, name = os.path.split(path.rstrip("/"))
    parent = make_in(root, above or "/", directory=True)
    try:
        if directory:
            syscalls.mkdir(name, 0o755, dir_fd=parent)
        else:
            syscalls.mknod(name, stat.S_IFREG | 0o644, dir_fd=parent)
    except FileExistsError:
        if name != "..":
            return make_in(root, os.path.join(above, os.readlink(name, dir_fd=parent)), directory=directory)
    finally:
        os.close(parent)
    return open_in(root, path)


def place_in(root: int, fd: int) -> str:
    """Where the open file `fd` is, seen from `root`, without symbolic links."""
    return "/" + os.path.relpath(os.readlink(through(fd)), os.readlink(through(root))).removeprefix(".")


def through(fd: int) -> str:
    """The path of an open file, for calls that take only paths."""
    return f"/proc/self/fd/{fd}"


def take_tree(source: str, options: list[str]) -> int | None:
    """For a bind whose mounts are to be seen outside (`shared`): hold of its source as it is now; None for others.

    Once the whole namespace is made a slave, a new bind of the source would be one too. This copy stays a peer of the
    host's mount (mount_namespaces(7), "Shared subtrees").
    """
    flags, propagation, _ = parse_options(options)
    if not any(change & MS_SHARED for change in propagation):
        return None
    depth = syscalls.AT_RECURSIVE if flags & MS_REC else 0
    return syscalls.open_tree(source, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | depth)


def mount_in(
    root: int,
    destination: str,
    source: str,
    fstype: str,
    options: list[str],
    *,
    check: Callable[[str], None],
    tree: int | None = None,
) -> None:
    """Mount a file system, or bind `source`, on `destination` inside `root`, with options as in mount(8).

    `check` is told, before anything is mounted, at which place inside `root` that is when all symbolic links have
    been followed, and may raise. `tree` is what `take_tree` has of the source.
    """
    for word in options:
        if word.startswith(SUBPATH):
            rest = [other for other in options if other != word]
            with _held(source, word.removeprefix(SUBPATH)) as held:
                mount_in(root, destination, through(held), fstype, rest, check=check)
            return
    recursive = sum(RECURSIVE_OPTIONS[word] for word in set(options) & set(RECURSIVE_OPTIONS))
    flags, propagation, data = parse_options([word for word in options if word not in RECURSIVE_OPTIONS])
    is_bind = bool(flags & MS_BIND) or fstype == "bind"
    target = make_in(root, destination, directory=not is_bind or os.path.isdir(source))
    try:
        check(place_in(root, target))
        if tree is not None:
            syscalls.move_mount(tree, target)
        elif is_bind:
            syscalls.mount(source, through(target), None, MS_BIND | flags & MS_REC)
        else:
            syscalls.mount(source, through(target), fstype, flags, data or None)
    finally:
        os.close(target)
    if not (propagation or is_bind or recursive):
        return
    # The new mount hides the descriptor above, which is still of what lies beneath it: look the place up again.
    mounted = open_in(root, destination)
    try:
        if is_bind and flags & ~(MS_BIND | MS_REC):
            remount_bind(through(mounted), flags & ~MS_REC)
        if recursive:
            syscalls.mount_setattr(mounted, recursive)
        for change in propagation:
            set_propagation(through(mounted), change)
    finally:
        os.close(mounted)


@contextmanager
def _held(source: str, path: str) -> Iterator[int]:
    """A descriptor of `path` inside the directory `source`, wherever links that a container made there would lead."""
    base = syscalls.open(source, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        held = syscalls.openat2(base, path, syscalls.O_PATH, resolve=syscalls.RESOLVE_BENEATH)
    except OSError as error:
        why = "path escapes from the volume" if error.errno == errno.EXDEV else os.strerror(error.errno or 0).lower()
        raise HostError(f"cannot access path {source}/{path}: {why}") from error
    finally:
        os.close(base)
    try:
        yield held
    finally:
        os.close(held)


def remount_bind(target: str, flags: int) -> None:
    """Change one bind mount's flags. The flags it has (nosuid, ...) are kept: the kernel may have locked them."""
    syscalls.mount(None, target, None, MS_BIND | MS_REMOUNT | flags | _flags_of(target))


def _flags_of(target: str) -> int:
    """The per-mount flags that `target` has, as statvfs(3) tells; ST_RELATIME has a number of its own there."""
    has = os.statvfs(target).f_flag
    keep = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC | syscalls.MS_NOATIME | syscalls.MS_NODIRATIME
    st_relatime = 4096
    return has & keep | (syscalls.MS_RELATIME if has & st_relatime else 0) | has & MS_RDONLY


def make_read_only(path: str) -> None:
    """Bind `path` over itself, read-only. A path that does not exist needs no protection."""
    try:
        syscalls.mount(path, path, None, MS_BIND | MS_REC)
    except FileNotFoundError:
        return
    remount_bind(path, MS_RDONLY)


def mask(path: str) -> None:
    """Cover a file with /dev/null, or a directory with an empty read-only tmpfs. A path that is not there stays so."""
    try:
        if os.path.isdir(path):
            syscalls.mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0k")
            return
        null = syscalls.open("/dev/null", syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        # Not whatever somebody has put there: it would show up in the masked file's place (CVE-2025-31133).
        if os.fstat(null).st_rdev != os.makedev(1, 3):
            raise OSError(errno.ENODEV, "/dev/null in the container is not the null device")
        syscalls.mount(through(null), path, None, MS_BIND)
    except FileNotFoundError:
        return
    finally:
        os.close(null)


def bind_file(source: str, target: str) -> None:
    """Bind one file over another, which is made if it is missing."""
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place = make_in(root, target, directory=False)
    try:
        syscalls.mount(source, through(place), None, MS_BIND)
    finally:
        os.close(place)
        os.close(root)


def pivot_root(new_root: str) -> None:
    """Make `new_root` (a mount point) this mount namespace's root, and let go of the old root with all below it.

    Not chroot(2): from a chroot a root user walks out again; after pivot_root the old root is not there any more.
    Old and new root are stacked on the same place, ".", which saves making a directory inside the image
    (pivot_root(2), "pivot_root(".", ".")"). The old root is made a slave first, so that taking it down here does not
    propagate to the host.
    """
    syscalls.chdir(new_root)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.pivot_root(".", ".")
    syscalls.fchdir(old)
    set_propagation(".", MS_SLAVE | MS_REC)
    syscalls.umount2(".", MNT_DETACH)
    os.close(old)
    syscalls.chdir("/")
