"""Overlayfs: several layers merged into one tree, with all changes in the topmost (book, chapter 1, 3.5.3 to 3.5.6).

    lowerdir=  the image's layers, read-only, the topmost first; shared by every container of the image
    upperdir=  one writable directory per container: a file that is changed is first copied up into it
    workdir=   scratch space beside upperdir, for the kernel's own use

Deleting a file leaves a whiteout in the upper directory: a character device 0/0 of that name. A directory that was
deleted and created again is opaque: it has the extended attribute trusted.overlay.opaque=y, and hides all that lower
layers have of that name. Source: Documentation/filesystems/overlayfs.rst of the kernel.
"""

from __future__ import annotations

import errno
import os
import stat

from minidock.errors import HostError
from minidock.linux import rootless, syscalls
from minidock.linux.mountinfo import filesystem_of

# Root of a user namespace may not write attributes "trusted.": the mount option userxattr has others read instead.
OPAQUE = "user.overlay.opaque" if rootless.is_on() else "trusted.overlay.opaque"
_OF_ALL = ",userxattr" if rootless.is_on() else ""
# mount(2) takes at most one page of options.
OPTIONS_MAX = 4095
# File systems without whiteouts (character devices), extended attributes or renames as overlayfs needs them ("Upper and
# lower").
_UNFIT = {"overlay", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "9p", "fuseblk", "ecryptfs"}


def mount_read_only(lower: list[str], target: str) -> None:
    """Mount the `lower` directories (topmost first) on `target`, without a writable layer."""
    lower = list(dict.fromkeys(lower))
    if len(lower) == 1:  # the kernel requires two
        syscalls.mount(lower[0], target, None, syscalls.MS_BIND)
        return
    options = f"lowerdir={':'.join(map(escaped, lower))}{_OF_ALL}"
    if len(os.fsencode(options)) <= OPTIONS_MAX:
        syscalls.mount("overlay", target, "overlay", 0, options)
    else:
        _mount_by_number(lower, _OF_ALL, target)


def mount(lower: list[str], upper: str, work: str, target: str, *, extra: str = "") -> None:
    """Mount the `lower` directories (topmost first) below the writable `upper` on `target`.

    If the paths of many layers do not fit into mount's one page of options, they are named by short numbers instead: an
    open descriptor per layer, looked up in the directory /proc/self/fd.

    A directory may be listed several times, as empty layers often are in images. The kernel refuses that (ELOOP,
    overlapping layers), so only the topmost occurrence is passed on: it hides all that the others contain.
    """
    lower = list(dict.fromkeys(lower))
    try:
        _mount(lower, upper, work, target, extra)
    except OSError as error:
        # For a writable layer on an unsuitable file system the kernel returns EINVAL and no more.
        if error.errno == errno.EINVAL and (kind := filesystem_of(upper)) in _UNFIT:
            raise HostError(
                f"{upper} is on a file system of type {kind}, which overlayfs cannot write its changes to: "
                "choose a directory on another one (--root, MINIDOCK_ROOT)"
            ) from error
        raise


def _mount(lower: list[str], upper: str, work: str, target: str, extra: str) -> None:
    rest = f",upperdir={escaped(upper)},workdir={escaped(work)}" + (f",{extra}" if extra else "") + _OF_ALL
    options = f"lowerdir={':'.join(map(escaped, lower))}{rest}"
    if len(os.fsencode(options)) <= OPTIONS_MAX:
        syscalls.mount("overlay", target, "overlay", 0, options)
    else:
        _mount_by_number(lower, rest, target)


def _mount_by_number(lower: list[str], rest: str, target: str) -> None:
    fds = [syscalls.open(path, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in lower]
    here = os.open(".", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.chdir("/proc/self/fd")
        syscalls.mount("overlay", target, "overlay", 0, f"lowerdir={':'.join(map(str, fds))}{rest}")
        syscalls.fchdir(here)
    finally:
        for fd in (*fds, here):
            os.close(fd)


def escaped(path: str) -> str:
    """A path inside mount options: a backslash before what would end it (overlayfs.rst, "Multiple lower layers")."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def split_paths(text: str) -> list[str]:
    """The paths of a `lowerdir` option: separated by colons that have no backslash before them."""
    paths, quoted = [""], False
    for letter in text:
        if quoted or letter not in ":\\":
            paths[-1] += letter
            quoted = False
        elif letter == "\\":
            quoted = True
        else:
            paths.append("")
    return paths


def is_whiteout(status: os.stat_result) -> bool:
    """Whether a directory entry with this lstat(2) result means "deleted here"."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: str) -> bool:
    """Whether the directory at `path` hides all that lower layers have of that name."""
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:  # ENODATA, or a file system without attributes
        return False


def find(layers: list[str], path: str) -> str | None:
    """The real path of the merged tree's file `path`, found by the kernel's own rules, without mounting anything.

    `layers`: directories, topmost first. Symbolic links are followed inside the tree; None if there is no such file. It
    is for single files of an image, such as /etc/passwd.
    """
    names = resolve(layers, path)
    return None if names is None else entry(layers, names)


def resolve(layers: list[str], path: str, *, may_lack: bool = False) -> list[str] | None:
    """The names that lead to `path` in the merged tree with all symbolic links followed; None if it does not exist.

    `may_lack`: a part that does not exist is taken as written, also behind a link: the place of a file to be created.
    Raises `OSError` (ELOOP) for too many links.
    """
    todo = [name for name in reversed(path.split("/")) if name and name != "."]
    done: list[str] = []
    links = 0
    while todo:
        name = todo.pop()
        if name == "..":
            done = done[:-1]
            continue
        found = entry(layers, [*done, name])
        if found is None and not may_lack:
            return None
        if found is not None and os.path.islink(found):
            links += 1
            if links > 40:
                raise OSError(errno.ELOOP, f"too many symbolic links in {path}")
            target = os.readlink(found)
            done = [] if target.startswith("/") else done
            todo += [name for name in reversed(target.split("/")) if name and name != "."]
        else:
            done.append(name)
    return done


def merged(layers: list[str], names: list[str]) -> list[str]:
    """The directories that are merged into the one at `names`, topmost first; none if that is no directory."""
    found = list(layers)
    for name in names:
        found = listing(found).get(name, [])
    return [place for place in found if os.path.isdir(place)]


def listing(places: list[str]) -> dict[str, list[str]]:
    """The entries of the directory that `places`, topmost first, make together: name to paths, topmost first.

    Only a directory can have several paths, which are merged in turn.
    """
    found: dict[str, list[str]] = {}
    ends: set[str] = set()  # names that hide all entries further below
    for place in places:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name in ends:
                    continue
                status = entry.stat(follow_symlinks=False)
                is_directory = stat.S_ISDIR(status.st_mode)
                if not is_directory or is_opaque(entry.path):
                    ends.add(entry.name)
                if is_directory or (entry.name not in found and not is_whiteout(status)):
                    found.setdefault(entry.name, []).append(entry.path)
    return found


def entry(layers: list[str], names: list[str]) -> str | None:
    """The topmost layer's entry for a path without symbolic links; None if it is deleted there, or does not exist."""
    for layer in layers:
        place, hides = layer, False
        for position, name in enumerate(names):
            place = os.path.join(place, name)
            try:
                status = os.lstat(place)
            except (FileNotFoundError, NotADirectoryError):
                break
            last = position == len(names) - 1
            if is_whiteout(status) or (not last and not stat.S_ISDIR(status.st_mode)):
                return None
            hides = hides or (stat.S_ISDIR(status.st_mode) and is_opaque(place))
            if last:
                return place
        else:
            return place  # no names: the root itself
        if hides:
            return None
    return None
