"""The option words of mount(8), and the kernel's flags that they stand for (mount(2), mount_setattr(2))."""

from __future__ import annotations

from minidock.linux import syscalls
from minidock.linux.syscalls import (
    MS_BIND,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
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
    "relatime": (MS_RELATIME, 0),
    "norelatime": (0, MS_RELATIME),
    "strictatime": (syscalls.MS_STRICTATIME, 0),
    "nostrictatime": (0, syscalls.MS_STRICTATIME),
    "bind": (MS_BIND, 0),
    "rbind": (MS_BIND | MS_REC, 0),
    "nosymfollow": (syscalls.MS_NOSYMFOLLOW, 0),
    "symfollow": (0, syscalls.MS_NOSYMFOLLOW),
    "mand": (syscalls.MS_MANDLOCK, 0),
    "nomand": (0, syscalls.MS_MANDLOCK),
    "iversion": (syscalls.MS_I_VERSION, 0),
    "noiversion": (0, syscalls.MS_I_VERSION),
    "lazytime": (syscalls.MS_LAZYTIME, 0),
    "nolazytime": (0, syscalls.MS_LAZYTIME),
    "acl": (syscalls.MS_POSIXACL, 0),
    "noacl": (0, syscalls.MS_POSIXACL),
    "silent": (syscalls.MS_SILENT, 0),
    "loud": (0, syscalls.MS_SILENT),
    "remount": (MS_REMOUNT, 0),
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
# The same for a mount and all mounts below it (mount_setattr(2), AT_RECURSIVE): (attributes to set, to clear). Of the
# ways to keep times of access there is one at a time: who sets one clears all.
_ATIME = syscalls.MOUNT_ATTR__ATIME
RECURSIVE_OPTIONS: dict[str, tuple[int, int]] = {
    "rro": (syscalls.MOUNT_ATTR_RDONLY, 0),
    "rrw": (0, syscalls.MOUNT_ATTR_RDONLY),
    "rnosuid": (syscalls.MOUNT_ATTR_NOSUID, 0),
    "rsuid": (0, syscalls.MOUNT_ATTR_NOSUID),
    "rnodev": (syscalls.MOUNT_ATTR_NODEV, 0),
    "rdev": (0, syscalls.MOUNT_ATTR_NODEV),
    "rnoexec": (syscalls.MOUNT_ATTR_NOEXEC, 0),
    "rexec": (0, syscalls.MOUNT_ATTR_NOEXEC),
    "rnodiratime": (syscalls.MOUNT_ATTR_NODIRATIME, 0),
    "rdiratime": (0, syscalls.MOUNT_ATTR_NODIRATIME),
    "rrelatime": (0, _ATIME),
    "rnorelatime": (syscalls.MOUNT_ATTR_STRICTATIME, _ATIME),
    "rnoatime": (syscalls.MOUNT_ATTR_NOATIME, _ATIME),
    "ratime": (0, _ATIME),
    "rstrictatime": (syscalls.MOUNT_ATTR_STRICTATIME, _ATIME),
    "rnostrictatime": (0, _ATIME),
    "rnosymfollow": (syscalls.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "rsymfollow": (0, syscalls.MOUNT_ATTR_NOSYMFOLLOW),
}
# Words for what a runtime does beside the mount itself (OCI config.md, "Linux mount options").
OUR_OPTIONS = ("idmap", "ridmap", "tmpcopyup")
KNOWN = {*FLAG_OPTIONS, *PROPAGATION_OPTIONS, *RECURSIVE_OPTIONS, *OUR_OPTIONS}
# The flags of a mount, as mount(2) and as mount_setattr(2) have them.
ATTRIBUTES = {
    MS_RDONLY: syscalls.MOUNT_ATTR_RDONLY,
    syscalls.MS_NOSUID: syscalls.MOUNT_ATTR_NOSUID,
    syscalls.MS_NODEV: syscalls.MOUNT_ATTR_NODEV,
    syscalls.MS_NOEXEC: syscalls.MOUNT_ATTR_NOEXEC,
    syscalls.MS_NOATIME: syscalls.MOUNT_ATTR_NOATIME,
    syscalls.MS_STRICTATIME: syscalls.MOUNT_ATTR_STRICTATIME,
    syscalls.MS_NODIRATIME: syscalls.MOUNT_ATTR_NODIRATIME,
    syscalls.MS_NOSYMFOLLOW: syscalls.MOUNT_ATTR_NOSYMFOLLOW,
}


def own_words(options: list[str]) -> list[str]:
    """The words of `options` that the kernel is not told."""
    return [word for word in options if word in OUR_OPTIONS or word.startswith(SUBPATH)]


def for_file_system(options: list[str]) -> list[str]:
    """The words of `options` that mean something to the file system only, or to nobody."""
    return [word for word in options if word not in KNOWN and not word.startswith(SUBPATH)]


def recursive_changes(options: list[str]) -> tuple[int, int]:
    """(attributes to set, to clear) of a mount and all below it; of words that contradict, the last counts."""
    change = clear = 0
    for word in options:
        if word in RECURSIVE_OPTIONS:
            more, less = RECURSIVE_OPTIONS[word]
            change, clear = change & ~less | more, clear & ~more | less
    return change, clear


def parse_options(options: list[str]) -> tuple[int, list[int], str]:
    """Split mount(8) options into (flags, propagation changes, data for the file system)."""
    flags, propagation, data = 0, [], []
    for option in options:
        if option in RECURSIVE_OPTIONS or option in OUR_OPTIONS or option.startswith(SUBPATH):
            continue
        if option in FLAG_OPTIONS:
            add, remove = FLAG_OPTIONS[option]
            flags = flags & ~remove | add
        elif option in PROPAGATION_OPTIONS:
            propagation.append(PROPAGATION_OPTIONS[option])
        else:
            data.append(option)
    return flags, propagation, ",".join(data)
