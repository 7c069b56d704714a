"""System calls: the ones that Python lacks, through ctypes, and the ones it has, under their kernel names.

Each wrapper makes one call, keeps the kernel's names for constants, raises `OSError` that names the call and its
arguments, and announces itself to observers (`minidock/observe.py`). Manual pages: section 2.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from minidock.observe import announced, observed

# mount(2), umount2(2): <linux/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_SILENT = 32768
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_I_VERSION = 1 << 23
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2

# clone(2), unshare(2), setns(2): <linux/sched.h>
CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

# prctl(2): <linux/prctl.h>, those python-prctl does not wrap
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_SET_MODE_FILTER = 1
CLOSE_RANGE_CLOEXEC = 4
KEYCTL_JOIN_SESSION_KEYRING = 1

# openat2(2): <linux/openat2.h>
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
O_PATH = 0o10000000

# bpf(2): <linux/bpf.h>
BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6

# Calls that glibc has no wrapper for, by number. Those from clone3 on have one number on every architecture.
SYS_CLONE3 = 435
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
_SYS = {  # pivot_root, capset, keyctl, seccomp, bpf: <asm/unistd.h>
    "x86_64": (155, 126, 250, 317, 321),
    "aarch64": (41, 91, 219, 277, 280),
    "riscv64": (41, 91, 219, 277, 280),
    "ppc64le": (203, 184, 271, 358, 361),
    "s390x": (217, 185, 280, 348, 351),
}
SYS_PIVOT_ROOT, SYS_CAPSET, SYS_KEYCTL, SYS_SECCOMP, SYS_BPF = _SYS[os.uname().machine]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _raise(name: str, arguments: tuple[Any, ...], errno: int) -> OSError:
    """The `OSError` (of the right subclass) that says which call failed, with which arguments."""
    shown = ", ".join(a.decode(errors="replace") if isinstance(a, bytes) else str(a) for a in arguments)
    return OSError(errno, f"{name}({shown}): {os.strerror(errno)}")


def _call(name: str, function: Callable[..., int], *arguments: Any, shown: tuple[Any, ...] | None = None) -> int:
    """Make one libc call, announced; `shown` stands for arguments that mean nothing to a reader (pointers)."""
    shown = arguments if shown is None else shown

    def make() -> int:
        result = function(*arguments)
        if result == -1:
            raise _raise(name, shown, ctypes.get_errno())
        return result

    return announced(name, shown, make)


def _bytes(text: str | os.PathLike[str] | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2): attach a file system, bind a directory, or change what is mounted on `target`."""
    _call("mount", _libc.mount, _bytes(source), _bytes(target), _bytes(fstype), ctypes.c_ulong(flags), _bytes(data),
          shown=(source, target, fstype, hex(flags), data))  # fmt: skip


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _call("umount2", _libc.umount2, _bytes(target), flags)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2): make `new_root` the root mount of this mount namespace, and hang the old one on `put_old`."""
    number = ctypes.c_long(SYS_PIVOT_ROOT)
    _call("pivot_root", _libc.syscall, number, _bytes(new_root), _bytes(put_old), shown=(new_root, put_old))


def unshare(flags: int) -> None:
    """unshare(2): give this process namespaces of its own. (`os.unshare` came with Python 3.12.)"""
    _call("unshare", _libc.unshare, flags, shown=(hex(flags),))


def setns(fd: int, nstype: int = 0) -> None:
    """setns(2): enter the namespace that `fd` refers to."""
    _call("setns", _libc.setns, fd, nstype, shown=(fd, hex(nstype)))


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """close_range(2): with CLOSE_RANGE_CLOEXEC, mark every descriptor from `first` on to be closed by execve."""
    number, top = ctypes.c_long(SYS_CLOSE_RANGE), ctypes.c_uint(last)
    _call("close_range", _libc.syscall, number, first, top, flags, shown=(first, last, flags))


def join_session_keyring(name: str | None) -> None:
    """keyctl_join_session_keyring(3): with None, a new session keyring; the caller's keys stay outside."""
    number, operation = ctypes.c_long(SYS_KEYCTL), ctypes.c_long(KEYCTL_JOIN_SESSION_KEYRING)
    _call("keyctl", _libc.syscall, number, operation, _bytes(name), shown=("KEYCTL_JOIN_SESSION_KEYRING", name))


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2): open `path` below `dirfd`; with RESOLVE_IN_ROOT no symbolic link or ".." leads out of it."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    number, size = ctypes.c_long(SYS_OPENAT2), ctypes.c_size_t(ctypes.sizeof(how))
    return _call("openat2", _libc.syscall, number, dirfd, _bytes(path), ctypes.byref(how), size,
                 shown=(dirfd, path, oct(flags), oct(mode), hex(resolve)))  # fmt: skip


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for the calling thread; each set is a mask with bit n for capability number n."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    sets = (effective, permitted, inheritable)
    data = (ctypes.c_uint32 * 6)(*(s & 0xFFFFFFFF for s in sets), *(s >> 32 for s in sets))
    _call("capset", _libc.syscall, ctypes.c_long(SYS_CAPSET), header, data, shown=tuple(map(hex, sets)))


def prctl_ambient(capability: int | None) -> None:
    """prctl(2) PR_CAP_AMBIENT: raise one capability, or with None clear the ambient set."""
    what = PR_CAP_AMBIENT_CLEAR_ALL if capability is None else PR_CAP_AMBIENT_RAISE
    _call("prctl", _libc.prctl, PR_CAP_AMBIENT, *map(ctypes.c_ulong, (what, capability or 0, 0, 0)),
          shown=("PR_CAP_AMBIENT", what, capability))  # fmt: skip


def bpf(command: int, attributes: ctypes.Structure) -> int:
    """bpf(2); returns the new descriptor for BPF_PROG_LOAD, 0 for BPF_PROG_ATTACH."""
    number, size = ctypes.c_long(SYS_BPF), ctypes.c_uint(ctypes.sizeof(attributes))
    return _call("bpf", _libc.syscall, number, command, ctypes.byref(attributes), size, shown=(command,))


class _CloneArgs(ctypes.Structure):
    """struct clone_args of clone(2), in its 88-byte version (Linux 5.7, with cgroup)."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
                     "set_tid", "set_tid_size", "cgroup")
    ]  # fmt: skip


def clone3(flags: int, cgroup_fd: int | None = None) -> tuple[int, int]:
    """clone3(2) used as a fork: returns (pid, pidfd) in the parent, (0, -1) in the child.

    With `cgroup_fd` (an open cgroup v2 directory) the child is born in that cgroup. The interpreter has to know that
    it was forked (locks, thread state), so the call stands between the hooks that `os.fork` uses too; PyDLL keeps the
    interpreter lock held across it.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=int(signal.SIGCHLD))
    if cgroup_fd is not None:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    syscall = ctypes.PyDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    size = ctypes.c_size_t(ctypes.sizeof(arguments))
    python = ctypes.pythonapi

    def make() -> int:
        python.PyOS_BeforeFork()
        pid = int(syscall(ctypes.c_long(SYS_CLONE3), ctypes.byref(arguments), size))
        errno = ctypes.get_errno()
        if pid == 0:
            python.PyOS_AfterFork_Child()
        else:
            python.PyOS_AfterFork_Parent()
        if pid == -1:
            raise _raise("clone3", (hex(arguments.flags),), errno)
        return pid

    pid = announced("clone3", (hex(arguments.flags),), make)
    return (pid, pidfd.value) if pid else (0, -1)


class _SockFprog(ctypes.Structure):
    """struct sock_fprog of seccomp(2): a classic BPF program of `len` 8-byte instructions."""

    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def seccomp_set_filter(program: bytes, flags: int = 0) -> None:
    """seccomp(2) SECCOMP_SET_MODE_FILTER: every system call from here on is judged by the BPF `program`."""
    buffer = ctypes.create_string_buffer(program, len(program))
    prog = _SockFprog(len(program) // 8, ctypes.addressof(buffer))
    _call("seccomp", _libc.syscall, ctypes.c_long(SYS_SECCOMP), ctypes.c_long(SECCOMP_SET_MODE_FILTER),
          ctypes.c_long(flags), ctypes.byref(prog),
          shown=("SECCOMP_SET_MODE_FILTER", flags, f"{len(program) // 8} instructions"))  # fmt: skip


# What Python has already, under the kernel's names, so that observers see these calls as well.
chdir = observed("chdir", os.chdir)
chmod = observed("chmod", os.chmod)
chown = observed("chown", os.chown)
fchdir = observed("fchdir", os.fchdir)
mkdir = observed("mkdir", os.mkdir)
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
waitpid = observed("waitpid", os.waitpid)
sethostname = observed("sethostname", socket.sethostname)
