"""System calls: the ones that Python lacks, through ctypes, and the ones it has, under their kernel names.

Each wrapper makes one call, keeps the kernel's names for constants, raises `OSError` that names the call and its
arguments, and announces itself to observers (`minidock/observe.py`). Manual pages: section 2.
"""

from __future__ import annotations

import os
import struct
from functools import cache

from minidock.observe import announced, observed

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

# mount(2), umount2(2): <linux/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_NOSYMFOLLOW = 256
MS_DIRSYNC = 128
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_SILENT = 32768
MS_POSIXACL = 1 << 16
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_I_VERSION = 1 << 23
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# open_tree(2), move_mount(2): <linux/mount.h>, <linux/fcntl.h>
MOVE_MOUNT_F_EMPTY_PATH = 4
MOVE_MOUNT_T_EMPTY_PATH = 64
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_RECURSIVE = 0x8000

# clone(2), unshare(2), setns(2): <linux/sched.h>
CLONE_NEWTIME = 0x00000080
CLONE_FS = 0x00000200
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

# prctl(2): <linux/prctl.h>, those that python-prctl lacks, or has only for the capabilities that its libcap knew
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_SET_MODE_FILTER = 1
CLOSE_RANGE_CLOEXEC = 4
KEYCTL_JOIN_SESSION_KEYRING = 1

# mount_setattr(2): <linux/mount.h>
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000
AT_EMPTY_PATH = 0x1000

# openat2(2): <linux/openat2.h>; AT_FDCWD: <fcntl.h>
AT_FDCWD = -100
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
O_PATH = 0o10000000

# fstatfs(2): <linux/magic.h>
PROC_SUPER_MAGIC = 0x9FA0

# bpf(2): <linux/bpf.h>
BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6

# Calls that glibc has no wrapper for, by number. Those newer than Linux 5.1 have one number on every architecture.
SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_CLONE3 = 435
SYS_PIDFD_SEND_SIGNAL = 424
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
SYS_MOUNT_SETATTR = 442
_NAMES = ("pivot_root", "capset", "keyctl", "seccomp", "bpf", "rt_sigaction", "clone", "sched_setattr", "ioprio_set")
_NUMBERS = {  # <asm/unistd.h>
    "x86_64": (155, 126, 250, 317, 321, 13, 56, 314, 251),
    "aarch64": (41, 91, 219, 277, 280, 134, 220, 274, 30),
    "riscv64": (41, 91, 219, 277, 280, 134, 220, 274, 30),
    "ppc64le": (203, 184, 271, 358, 361, 173, 120, 355, 273),
    "s390x": (217, 185, 280, 348, 351, 174, 120, 345, 282),
}
_SYS = dict(zip(_NAMES, _NUMBERS[os.uname().machine], strict=True))


@cache
def _library(*, keep_lock: bool = False) -> Any:
    """The C library, loaded at the first call: many commands only read files and do not need it."""
    import ctypes

    library = (ctypes.PyDLL if keep_lock else ctypes.CDLL)(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def _raise(name: str, arguments: tuple[Any, ...], errno: int) -> OSError:
    """The `OSError` (of the right subclass) that names the call and its arguments."""
    flags_from = 0x40  # smaller numbers, such as descriptors, are shown in decimal
    shown = ", ".join(
        a.decode(errors="replace") if isinstance(a, bytes) else
        hex(a) if isinstance(a, int) and a >= flags_from else str(a)
        for a in arguments
    )  # fmt: skip
    return OSError(errno, f"{name}({shown}): {os.strerror(errno)}")


def _call(name: str, *arguments: int | bytes | None, number: int = 0, shown: tuple[Any, ...] | None = None) -> int:
    """Call the C library's function `name`, or system call `number` if it has none, and announce it.

    A structure is passed as the bytes of its fields. `shown` are the arguments for observers, where the real ones are
    pointers.
    """
    shown = arguments if shown is None else shown

    def make() -> int:
        import ctypes

        library = _library()
        words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
        result = library.syscall(ctypes.c_long(number), *words) if number else getattr(library, name)(*words)
        if result == -1:
            raise _raise(name, shown, ctypes.get_errno())
        return int(result)

    return announced(name, shown, make)


def _address(content: bytes) -> tuple[int, Any]:
    """The address of `content` for the kernel, and the object to keep alive during the call."""
    import ctypes

    buffer = ctypes.create_string_buffer(content, len(content))
    return ctypes.addressof(buffer), buffer


def _bytes(text: str | os.PathLike[str] | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2): attach a file system, bind a directory, or change what is mounted on `target`."""
    shown = (source, target, fstype, flags, data)
    _call("mount", _bytes(source), _bytes(target), _bytes(fstype), flags, _bytes(data), shown=shown)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _call("umount2", _bytes(target), flags)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2): make `new_root` the root mount of this mount namespace, and move the old one to `put_old`."""
    _call("pivot_root", _bytes(new_root), _bytes(put_old), number=_SYS["pivot_root"])


def unshare(flags: int) -> None:
    """unshare(2): give this process namespaces of its own. (`os.unshare` came with Python 3.12.)"""
    _call("unshare", flags)


def setns(fd: int, nstype: int = 0) -> None:
    """setns(2): enter the namespace that `fd` refers to."""
    _call("setns", fd, nstype)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """close_range(2): with CLOSE_RANGE_CLOEXEC, mark every descriptor from `first` on to be closed by execve."""
    _call("close_range", first, last, flags, number=SYS_CLOSE_RANGE)


def join_session_keyring(name: str | None) -> None:
    """keyctl_join_session_keyring(3): join a new session keyring (None: without a name), without the caller's keys."""
    shown = ("KEYCTL_JOIN_SESSION_KEYRING", name)
    _call("keyctl", KEYCTL_JOIN_SESSION_KEYRING, _bytes(name), number=_SYS["keyctl"], shown=shown)


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2): open `path` below `dirfd`; with RESOLVE_IN_ROOT no symbolic link or ".." leads out of it."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)  # struct open_how
    shown = (dirfd, path, flags | os.O_CLOEXEC, mode, resolve)
    return _call("openat2", dirfd, _bytes(path), how, len(how), number=SYS_OPENAT2, shown=shown)


def open_tree(path: str, flags: int, dirfd: int = AT_FDCWD) -> int:
    """open_tree(2): a descriptor of a mount; with OPEN_TREE_CLONE, of a detached copy."""
    return _call("open_tree", dirfd, _bytes(path), flags, number=SYS_OPEN_TREE, shown=(dirfd, path, flags))


def move_mount(tree: int, target: int) -> None:
    """move_mount(2): attach the mounts of the descriptor `tree` to the place of the descriptor `target`."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    shown = (tree, "", target, "", flags)
    _call("move_mount", tree, b"", target, b"", flags, number=SYS_MOVE_MOUNT, shown=shown)


def mount_setattr(
    tree: int,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    *,
    recursive: bool = True,
    userns: int = 0,
) -> None:
    """mount_setattr(2): change the mount that `tree` is a descriptor of, and with `recursive` all mounts below it.

    `userns`: a descriptor of the user namespace whose maps MOUNT_ATTR_IDMAP applies.
    """
    attr = struct.pack("QQQQ", attr_set, attr_clr, propagation, userns)  # struct mount_attr
    how = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    shown = (tree, "", how, attr_set, attr_clr, propagation)
    _call("mount_setattr", tree, b"", how, attr, len(attr), number=SYS_MOUNT_SETATTR, shown=shown)


def fstatfs_type(fd: int) -> int:
    """fstatfs(2): the type of the file system of an open file, as a number. It only reads, so it is not announced."""
    import ctypes
    import sys

    buffer = ctypes.create_string_buffer(256)  # struct statfs, which begins with it
    if _library().fstatfs(fd, buffer):
        raise _raise("fstatfs", (fd,), ctypes.get_errno())
    return int.from_bytes(buffer.raw[:4], sys.byteorder)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for the calling thread; each set is a mask with bit n for capability number n."""
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    sets = (effective, permitted, inheritable)
    halves = [half for shift in (0, 32) for half in (s >> shift & 0xFFFFFFFF for s in sets)]
    _call("capset", header, struct.pack("6I", *halves), number=_SYS["capset"], shown=sets)


def prctl_capbset_read(capability: int) -> bool:
    """prctl(2) PR_CAPBSET_READ: whether a capability is in the bounding set. It only reads, so it is not announced."""
    import ctypes

    result = int(_library().prctl(PR_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0))
    if result == -1:
        raise _raise("prctl", ("PR_CAPBSET_READ", capability), ctypes.get_errno())
    return bool(result)


def prctl_capbset_drop(capability: int) -> None:
    """prctl(2) PR_CAPBSET_DROP: remove a capability from the bounding set, for ever."""
    _call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0, shown=("PR_CAPBSET_DROP", capability))


def prctl_ambient(capability: int | None) -> None:
    """prctl(2) PR_CAP_AMBIENT: raise one capability, or with None clear the ambient set."""
    what = PR_CAP_AMBIENT_CLEAR_ALL if capability is None else PR_CAP_AMBIENT_RAISE
    shown = ("PR_CAP_AMBIENT", what, capability or 0)
    _call("prctl", PR_CAP_AMBIENT, what, capability or 0, 0, 0, shown=shown)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument, for options that python-prctl would be loaded for only."""
    _call("prctl", option, value, 0, 0, 0, shown=(option, value))


def personality(persona: int) -> None:
    """personality(2): which system's ways the programs of this process see, such as another machine in uname(2)."""
    _call("personality", persona)


def sethostname(name: str) -> None:
    """sethostname(2): of the UTS namespace."""
    encoded = os.fsencode(name)
    _call("sethostname", encoded, len(encoded), shown=(name,))


def setdomainname(name: str) -> None:
    """setdomainname(2), NIS's: of the UTS namespace."""
    _call("setdomainname", name.encode(), len(name.encode()), shown=(name,))


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2), without information beside the number."""
    _call("pidfd_send_signal", pidfd, int(number), None, 0, number=SYS_PIDFD_SEND_SIGNAL, shown=(pidfd, number))


def sched_setattr(attributes: bytes, policy: str) -> None:
    """sched_setattr(2) of the calling process, with a struct sched_attr; `policy` is its name, for people."""
    _call("sched_setattr", 0, attributes, 0, number=_SYS["sched_setattr"], shown=(0, policy))


def ioprio_set(which: int, who: int, ioprio: int) -> None:
    """ioprio_set(2)."""
    _call("ioprio_set", which, who, ioprio, number=_SYS["ioprio_set"])


def reset_signal(number: int) -> None:
    """rt_sigaction(2): set a signal to its default action, also 32 and 33, which glibc reserves for itself."""
    default = bytes(32)  # struct sigaction as the kernel has it: SIG_DFL, no flags, no restorer, an empty mask
    _call("rt_sigaction", number, default, None, 8, number=_SYS["rt_sigaction"], shown=(number, "SIG_DFL"))


def inotify_init1(flags: int = 0) -> int:
    """inotify_init1(2): a descriptor from which the changes of watched files can be read."""
    return _call("inotify_init1", flags, shown=(hex(flags),))


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    """inotify_add_watch(2): report the changes of `path` that `mask` names on `fd`."""
    return _call("inotify_add_watch", fd, _bytes(path), mask, shown=(fd, path, hex(mask)))


def bpf_load(kind: int, program: bytes) -> int:
    """bpf(2) BPF_PROG_LOAD: load a program of 8-byte instructions; returns its descriptor."""
    (where, kept), (licence, kept_too) = _address(program), _address(b"GPL\0")
    attributes = struct.pack("IIQQ24x", kind, len(program) // 8, where, licence)  # the first fields of union bpf_attr
    try:
        shown = ("BPF_PROG_LOAD", f"{len(program) // 8} instructions", len(attributes))
        return _call("bpf", BPF_PROG_LOAD, attributes, len(attributes), number=_SYS["bpf"], shown=shown)
    finally:
        del kept, kept_too


def bpf_attach(target: int, program: int, kind: int, flags: int = 0) -> None:
    """bpf(2) BPF_PROG_ATTACH: have the kernel run `program` for events of cgroup `target` from now on."""
    attributes = struct.pack("IIII", target, program, kind, flags)
    shown = ("BPF_PROG_ATTACH", target, program, len(attributes))
    _call("bpf", BPF_PROG_ATTACH, attributes, len(attributes), number=_SYS["bpf"], shown=shown)


def clone3(flags: int, cgroup_fd: int | None = None) -> tuple[int, int]:
    """clone3(2) used as a fork: returns (pid, pidfd) in the parent, (0, -1) in the child.

    With `cgroup_fd` (an open cgroup v2 directory) the child is created in that cgroup. The interpreter has to be told
    of a fork (locks, thread state), so the call is made between the hooks that `os.fork` calls too; PyDLL keeps the
    interpreter lock held during it.
    """
    import ctypes
    import signal

    pidfd = ctypes.c_int(-1)
    flags |= CLONE_PIDFD | (CLONE_INTO_CGROUP if cgroup_fd is not None else 0)
    # struct clone_args in its 88-byte version (Linux 5.7): flags, pidfd, child_tid, parent_tid, exit_signal, stack,
    # stack_size, tls, set_tid, set_tid_size, cgroup
    arguments = struct.pack("11Q", flags, ctypes.addressof(pidfd), 0, 0, int(signal.SIGCHLD), *[0] * 5, cgroup_fd or 0)
    words = ctypes.c_long(SYS_CLONE3), arguments, ctypes.c_long(len(arguments))
    pid = announced("clone3", (flags, cgroup_fd), lambda: _fork("clone3", flags, words))
    return (pid, pidfd.value) if pid else (0, -1)


def clone(flags: int) -> tuple[int, int]:
    """clone(2) used as a fork, like `clone3`: the older call, whose flags seccomp filters can check."""
    import ctypes
    import signal

    pidfd = ctypes.c_int(-1)
    flags |= CLONE_PIDFD
    masked, stack = ctypes.c_long(flags | signal.SIGCHLD), ctypes.c_long(0)  # no stack: a copy of the caller's
    first = (stack, masked) if os.uname().machine == "s390x" else (masked, stack)
    words = ctypes.c_long(_SYS["clone"]), *first, ctypes.byref(pidfd), ctypes.c_long(0), ctypes.c_long(0)
    pid = announced("clone", (flags,), lambda: _fork("clone", flags, words))
    return (pid, pidfd.value) if pid else (0, -1)


def _fork(name: str, flags: int, words: tuple[Any, ...]) -> int:
    """A system call that forks, between the hooks that `os.fork` calls too."""
    import ctypes

    syscall, python = _library(keep_lock=True).syscall, ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = int(syscall(*words))
    errno = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    if pid == -1:
        raise _raise(name, (flags,), errno)
    return pid


def seccomp_set_filter(program: bytes, flags: int = 0) -> int:
    """seccomp(2) SECCOMP_SET_MODE_FILTER: the BPF `program` decides about every system call from here on.

    With SECCOMP_FILTER_FLAG_NEW_LISTENER, the result is the descriptor of its listener (seccomp_unotify(2)).
    """
    where, kept = _address(program)
    prog = struct.pack("HxxxxxxQ", len(program) // 8, where)  # struct sock_fprog
    shown = (SECCOMP_SET_MODE_FILTER, flags, len(program) // 8)
    try:
        return _call("seccomp", SECCOMP_SET_MODE_FILTER, flags, prog, number=_SYS["seccomp"], shown=shown)
    finally:
        del kept


# What Python has already, under the kernel's names, so that observers see these calls as well.
chdir = observed("chdir", os.chdir)
chmod = observed("chmod", os.chmod)
chown = observed("chown", os.chown)
chroot = observed("chroot", os.chroot)
fchdir = observed("fchdir", os.fchdir)
mkdir = observed("mkdir", os.mkdir)
mkfifo = observed("mkfifo", os.mkfifo)
mknod = observed("mknod", os.mknod)
rmdir = observed("rmdir", os.rmdir)
symlink = observed("symlink", os.symlink)
link = observed("link", os.link)
unlink = observed("unlink", os.unlink)
rename = observed("rename", os.rename)
open = observed("open", os.open)
write = observed("write", os.write)
setxattr = observed("setxattr", os.setxattr)
dup2 = observed("dup2", os.dup2)
setsid = observed("setsid", os.setsid)
setgroups = observed("setgroups", os.setgroups)
setresgid = observed("setresgid", os.setresgid)
setresuid = observed("setresuid", os.setresuid)
umask = observed("umask", os.umask)
execve = observed("execve", os.execve)
fork = observed("fork", os.fork)
pidfd_open = observed("pidfd_open", os.pidfd_open)
waitpid = observed("waitpid", os.waitpid)
