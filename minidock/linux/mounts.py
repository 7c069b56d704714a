"""Mounts: building the tree of files that a container sees, and making it the root (book, chapter 1, 3.5.1).

Every target is looked up with openat2(2) and RESOLVE_IN_ROOT, so that a symbolic link in an image cannot direct a mount
to a place outside the new root (as in CVE-2019-19921 and CVE-2021-30465), and mounted on through its open descriptor. A
bind mount is first a detached copy (open_tree(2)), gets its flags (mount_setattr(2)), and only then is attached
(move_mount(2)). Sources: these, mount(2), pivot_root(2), mount_namespaces(7).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from minidock.errors import HostError
from minidock.linux import mountinfo, syscalls
from minidock.linux.mount_options import ATTRIBUTES, SUBPATH, parse_options, recursive_changes
from minidock.linux.openat2 import descriptor_path, look_up, make_in, open_in, path_in
from minidock.linux.syscalls import MNT_DETACH, MS_BIND, MS_RDONLY, MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SLAVE


def set_propagation(target: str, flags: int) -> None:
    """Set whether mounts made on one side of a copied tree appear on the other (mount_namespaces(7))."""
    syscalls.mount(None, target, None, flags)


def clone_tree(source: str, options: list[str]) -> int:
    """A detached copy of the mount at `source` (with rbind: and of all below it), as a descriptor.

    With the option SUBPATH, of that path inside `source`. Raises `HostError` if that path leads outside of it.
    """
    depth = syscalls.AT_RECURSIVE if parse_options(options)[0] & MS_REC else 0
    for word in options:
        if word.startswith(SUBPATH):
            held = _beneath(source, word.removeprefix(SUBPATH))
            try:
                return clone_mount(held, depth)
            finally:
                os.close(held)
    return syscalls.open_tree(source, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | depth)


def clone_mount(fd: int, depth: int = 0) -> int:
    """`clone_tree` of an open file or directory."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_EMPTY_PATH | depth
    return syscalls.open_tree("", flags, fd)


def is_shared(options: list[str]) -> bool:
    """Whether mounts inside a bind are to propagate to the host (mount_namespaces(7), "Shared subtrees")."""
    return any(change & MS_SHARED for change in parse_options(options)[1])


def mount_in(
    root: int,
    destination: str,
    source: str,
    fstype: str,
    options: list[str],
    *,
    check: Callable[[str], None],
    tree: int | None = None,
    nodev: bool = False,
) -> None:
    """Mount a file system, or bind `source`, on `destination` inside `root`, with options as in mount(8).

    `check` is called before anything is mounted, with the path inside `root` at which the mount will be once all
    symbolic links are followed, and may raise. `tree` is a descriptor from `clone_tree` of the source, or of another
    detached mount. `nodev`: no device node in it can be opened.

    Source and destination are looked up once each: what is bound is a copy that gets its flags before it is attached,
    and it is attached to an open descriptor. A process that exchanges paths in between changes nothing.
    """
    recursive, cleared = recursive_changes(options)
    recursive |= syscalls.MOUNT_ATTR_NODEV if nodev else 0
    cleared &= ~recursive | syscalls.MOUNT_ATTR__ATIME
    flags, propagation, data = parse_options(options)
    if tree is None and (flags & MS_REMOUNT or not (flags & MS_BIND or fstype == "bind")):
        flags = (flags | _as_flags(recursive)) & ~_as_flags(cleared & ~recursive)
        _mount_new(root, destination, source, fstype, flags, propagation, data, check,
                   copy_up="tmpcopyup" in options)  # fmt: skip
        return
    tree = clone_tree(source, options) if tree is None else tree
    try:
        _set_attributes(tree, flags, recursive, propagation, cleared)
        is_directory = stat.S_ISDIR(os.fstat(tree).st_mode)
        target = make_in(root, destination, directory=is_directory)
        try:
            check(path_in(root, target))
            if stat.S_ISDIR(os.fstat(target).st_mode) != is_directory:
                raise HostError(f"cannot mount {source} on {destination}: not a directory: are you trying to mount a "
                                "directory onto a file (or vice-versa)?")  # fmt: skip
            syscalls.move_mount(tree, target)
        finally:
            os.close(target)
    finally:
        os.close(tree)


def _mount_new(
    root: int,
    destination: str,
    source: str,
    fstype: str,
    flags: int,
    propagation: list[int],
    data: str,
    check: Callable[[str], None],
    *,
    copy_up: bool = False,
) -> None:
    """A new file system. (Flags for all mounts below it need not be set: there are none yet.)

    A tmpfs has the mode of the directory that it hides; one that is made for it is for all (1777), as is a tmpfs by
    itself. `copy_up`: it begins with a copy of what it hides.
    """
    by_place = fstype == "tmpfs" and "mode=" not in data
    target = make_in(root, destination, directory=True, mode=0o1777 if by_place else 0o755)
    try:
        check(path_in(root, target))
        if by_place:
            data = f"{data}{',' if data else ''}mode={stat.S_IMODE(os.fstat(target).st_mode):o}"
        at_first = flags & ~MS_RDONLY if copy_up else flags
        syscalls.mount(source, descriptor_path(target), fstype, at_first, data or None)
        if copy_up:
            from minidock.linux import copying

            mounted = open_in(root, destination)
            try:
                copying.copy_tree([descriptor_path(target) + "/."], descriptor_path(mounted))
                if flags != at_first:
                    syscalls.mount(None, descriptor_path(mounted), None, MS_REMOUNT | flags)
            finally:
                os.close(mounted)
    finally:
        os.close(target)
    if propagation:
        # The descriptor refers to what lies beneath the mount; the mount itself is found by a second look-up. If that
        # were led astray, the propagation of another mount in this namespace would change, and none of those is the
        # host's.
        mounted = open_in(root, destination)
        try:
            for change in propagation:
                set_propagation(descriptor_path(mounted), change)
        finally:
            os.close(mounted)


def _set_attributes(tree: int, flags: int, recursive: int, propagation: list[int], cleared: int = 0) -> None:
    """Set a detached tree's flags. Flags that it has (nosuid, ...) are kept: the kernel may have locked them."""
    own = sum(attribute for flag, attribute in ATTRIBUTES.items() if flags & flag and not recursive & attribute)
    times = syscalls.MOUNT_ATTR__ATIME if flags & (MS_RELATIME | syscalls.MS_NOATIME | syscalls.MS_STRICTATIME) else 0
    if own or times:
        syscalls.mount_setattr(tree, own, times, recursive=False)
    if recursive or cleared:
        syscalls.mount_setattr(tree, recursive, cleared)
    for change in propagation:
        syscalls.mount_setattr(tree, propagation=change & ~MS_REC, recursive=bool(change & MS_REC))


def _as_flags(attributes: int) -> int:
    return sum(flag for flag, attribute in ATTRIBUTES.items() if attributes & attribute)


def _beneath(source: str, path: str) -> int:
    """A descriptor of `path` inside the directory `source`; links that a container has made there cannot
    lead outside.
    """
    base = syscalls.open(source, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return look_up(base, path, syscalls.O_PATH, syscalls.RESOLVE_BENEATH)
    except OSError as error:
        why = "path escapes from the volume" if error.errno == errno.EXDEV else os.strerror(error.errno or 0).lower()
        raise HostError(f"cannot access path {source}/{path}: {why}") from error
    finally:
        os.close(base)


def remount_bind(target: str, flags: int) -> None:
    """Change one bind mount's flags. Flags that it has (nosuid, ...) are kept: the kernel may have locked them."""
    syscalls.mount(None, target, None, MS_BIND | MS_REMOUNT | flags | _flags_of(target))


def _flags_of(target: str) -> int:
    """The per-mount flags of `target` (statvfs(3), where ST_RELATIME has another number than MS_RELATIME)."""
    has = os.statvfs(target).f_flag
    keep = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC | syscalls.MS_NOATIME | syscalls.MS_NODIRATIME
    st_relatime = 4096
    return has & keep | (MS_RELATIME if has & st_relatime else 0) | has & MS_RDONLY


def make_read_only(root: int, path: str) -> None:
    """Bind `path` inside `root`, with all mounts below it, over itself, read-only; nothing if it does not exist."""
    target = _open_if_there(root, path)
    if target is None:
        return
    try:
        tree = clone_mount(target, syscalls.AT_RECURSIVE)
        try:
            syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
            syscalls.move_mount(tree, target)
        finally:
            os.close(tree)
    finally:
        os.close(target)


class Mask:
    """The null device, mounted over files to hide them.

    It is opened before the container's files are visible: otherwise an image could replace /dev/null, and the
    replacement would appear in place of the masked files (CVE-2025-31133).
    """

    def __init__(self, tree: int) -> None:
        if (status := os.fstat(tree)).st_rdev != os.makedev(1, 3) or not stat.S_ISCHR(status.st_mode):
            raise HostError("/dev/null of the host is not the null device, so that nothing can be masked with it")
        # Without this, a container's root could change the mode of the device node.
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
        self.tree, self.is_attached = tree, False

    def cover(self, root: int, path: str) -> None:
        """Cover a file inside `root`, or a directory with an empty read-only tmpfs; nothing if it does not exist."""
        target = _open_if_there(root, path)
        if target is None:
            return
        try:
            if stat.S_ISDIR(os.fstat(target).st_mode):
                place = descriptor_path(target)
                if not os.path.exists(
                    place
                ):  # this process may not be visible in /proc: it joins the process namespace last
                    syscalls.fchdir(target)
                    place = "."
                syscalls.mount("tmpfs", place, "tmpfs", MS_RDONLY, "size=0k")
            else:
                self._cover_file(target)
        finally:
            os.close(target)

    def _cover_file(self, target: int) -> None:
        """Attach the mount of the null device, or a copy of it if it is attached already: a detached mount has no
        copies.
        """
        tree = clone_mount(self.tree) if self.is_attached else self.tree
        syscalls.move_mount(tree, target)
        if self.is_attached:
            os.close(tree)
        self.is_attached = True


def _open_if_there(root: int, path: str) -> int | None:
    try:
        return open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def bind_file(source: int, target: str) -> None:
    """Bind an open file over another one, which is created if it is missing."""
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place = make_in(root, target, directory=False)
    tree = clone_mount(source)
    try:
        syscalls.move_mount(tree, place)
    finally:
        for fd in (tree, place, root):
            os.close(fd)


def pivot_root(new_root: str) -> None:
    """Make `new_root` (a mount point) this mount namespace's root, and unmount the old root with all below it.

    chroot(2) would not do: a root user can leave a chroot; after pivot_root the old root is not there any more. Old and
    new root are stacked on the same place, ".", which saves creating a directory inside the image (pivot_root(2),
    "pivot_root(".", ".")"). The old root is made a slave first, so that unmounting it here does not propagate to the
    host.
    """
    syscalls.chdir(new_root)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.pivot_root(".", ".")
    syscalls.fchdir(old)
    set_propagation(".", MS_SLAVE | MS_REC)
    syscalls.umount2(".", MNT_DETACH)
    os.close(old)
    syscalls.chdir("/")


def move_root(new_root: str) -> None:
    """Make `new_root` this mount namespace's root where pivot_root(2) cannot: when the old one is a ramdisk.

    The mount moves over "/", which from then on nothing leads to; chroot(2) makes processes look from there. The host's
    proc and sysfs go first: as long as this namespace had one without masks, the container could mount another
    (CVE-2017-16539).
    """
    for place in mountinfo.of_types(("proc", "sysfs"), outside=new_root):
        set_propagation(place, MS_SLAVE | MS_REC)
        try:
            syscalls.umount2(place, MNT_DETACH)
        except OSError:  # locked, in a user namespace: then it is covered
            syscalls.mount("tmpfs", place, "tmpfs", 0, "")
    syscalls.chdir(new_root)
    syscalls.mount(new_root, "/", None, syscalls.MS_MOVE)
    syscalls.chroot(".")
    syscalls.chdir("/")
