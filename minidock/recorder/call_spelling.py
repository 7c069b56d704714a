"""System calls as strace(1) writes them: numbers as the names that the kernel's headers give them.

    mount("overlay", "/run/rootfs", "overlay", MS_NOSUID|MS_NODEV, "lowerdir=...") = 0
    setns(7<net:[4026532828]>, CLONE_NEWNET) = -1 EPERM (Operation not permitted)

Wrappers announce the kernel's own values (`minidock/observe.py`), because with nobody observing they should cost
nothing; here they become words (`value_spelling.py`). A descriptor is followed by what it is open on, as with
`strace -y`. Pointers, whose numbers mean nothing, are left away, and so are the sizes of structures.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterable
from typing import Any

from minidock.linux import syscalls
from minidock.observe import Call
from minidock.recorder.value_spelling import (
    capability_name,
    capability_set,
    clone_flags,
    device_number,
    fd,
    file_mode,
    flags,
    mount_flags,
    octal,
    open_flags,
    path,
    plain,
    signal_name,
    text,
    unix_address,
)

# What is looked up by its value: the names begin like this in syscalls.py, as in the kernel's headers.
_UMOUNT, _RESOLVE, _MOUNT_ATTR, _MOVE_MOUNT = (
    [(name, value) for name, value in vars(syscalls).items() if name.startswith(prefix)]
    for prefix in (("MNT_", "UMOUNT_"), "RESOLVE_", "MOUNT_ATTR_", "MOVE_MOUNT_")
)
_AT = [(name, getattr(syscalls, name)) for name in ("AT_EMPTY_PATH", "AT_RECURSIVE")]
_OPEN_TREE = [(name, getattr(syscalls, name)) for name in ("OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC")] + _AT
_SECCOMP_FLAGS = [("SECCOMP_FILTER_FLAG_TSYNC", 1), ("SECCOMP_FILTER_FLAG_LOG", 2),
                  ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4), ("SECCOMP_FILTER_FLAG_NEW_LISTENER", 8),
                  ("SECCOMP_FILTER_FLAG_TSYNC_ESRCH", 16), ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32)]  # fmt: skip
_AMBIENT = {syscalls.PR_CAP_AMBIENT_RAISE: "PR_CAP_AMBIENT_RAISE",
            syscalls.PR_CAP_AMBIENT_CLEAR_ALL: "PR_CAP_AMBIENT_CLEAR_ALL"}  # fmt: skip
_CLOSE_RANGE = [("CLOSE_RANGE_CLOEXEC", syscalls.CLOSE_RANGE_CLOEXEC)]
_DUMPABLE = {0: "SUID_DUMP_DISABLE", 1: "SUID_DUMP_USER"}
_IOCTLS = {0x40045431: "TIOCSPTLCK", 0x540E: "TIOCSCTTY", 0x5413: "TIOCGWINSZ",
           0x5414: "TIOCSWINSZ", 0x5441: "TIOCGPTPEER", 0x8913: "SIOCGIFFLAGS", 0x8914: "SIOCSIFFLAGS",
           0x8921: "SIOCGIFMTU"}  # fmt: skip


def spelled(call: Call) -> str:
    """The call and its result on one line."""
    return f"{question(call)} = {answer(call)}"


def question(call: Call) -> str:
    """The call with its arguments. Call it while the descriptors among them are open."""
    name, arguments = parts(call)
    return f"{name}({', '.join(arguments)})"


def answer(call: Call) -> str:
    """What the kernel returned. Call it in the process that made the call."""
    result = call.result
    if isinstance(result, OSError):
        number = result.errno or 0
        return f"-1 {errno.errorcode.get(number, number)} ({os.strerror(number)})"
    if call.name == "umask":
        return octal(result)
    if call.name == "setsid":  # Python does not return the session's number
        return str(os.getpid())
    return str(int(result)) if isinstance(result, int) else "0"  # else the result is in memory


def parts(call: Call) -> tuple[str, list[str]]:
    """The kernel's name of the call, and its arguments, each in words."""
    spell = _SPELLINGS.get(call.name)
    if spell is None:
        return call.name, [plain(argument) for argument in (*call.arguments, *(v for _, v in call.keywords))]
    name, arguments = spell(call, *call.arguments, **dict(call.keywords))
    return name, list(arguments)


Spelled = tuple[str, Iterable[str]]


def _openat(_: Call, name: str, how: int = 0, mode: int = 0o777, dir_fd: int | None = None) -> Spelled:
    return "openat", [fd(dir_fd), text(name), open_flags(how), *([file_mode(mode)] if how & os.O_CREAT else [])]


def _openat2(_: Call, dirfd: int, name: str, how: int, mode: int, resolve: int) -> Spelled:
    fields = [f"flags={open_flags(how)}", *([f"mode={file_mode(mode)}"] if mode else [])]
    fields.append(f"resolve={flags(resolve, _RESOLVE)}")
    return "openat2", [fd(dirfd), text(name), f"{{{', '.join(fields)}}}", "24"]  # bytes of struct open_how


def _mknod(_: Call, name: str, mode: int = 0o600, device: int = 0, *, dir_fd: int | None = None) -> Spelled:
    has_number = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    return "mknodat", [fd(dir_fd), text(name), file_mode(mode), *([device_number(device)] if has_number else [])]


def _clone3(_: Call, mask: int, cgroup: int | None) -> Spelled:
    fields = [f"flags={clone_flags(mask)}", "exit_signal=SIGCHLD", *([f"cgroup={fd(cgroup)}"] if cgroup else [])]
    return "clone3", [f"{{{', '.join(fields)}}}"]


def _capset(_: Call, effective: int, permitted: int, inheritable: int) -> Spelled:
    sets = {"effective": effective, "permitted": permitted, "inheritable": inheritable}
    shown = ", ".join(f"{name}={capability_set(mask)}" for name, mask in sets.items())
    return "capset", ["{version=_LINUX_CAPABILITY_VERSION_3, pid=0}", f"{{{shown}}}"]


def _prctl(_: Call, operation: str | int, *values: Any) -> Spelled:
    if operation == "PR_SET_PDEATHSIG":
        return "prctl", [operation, signal_name(values[0])]
    if operation == "PR_SET_DUMPABLE":
        return "prctl", [operation, _DUMPABLE[values[0]]]
    if operation == "PR_CAPBSET_DROP":
        return "prctl", [operation, capability_name(values[0])]
    if operation == "PR_SET_NO_NEW_PRIVS":
        return "prctl", [operation, "1", "0", "0", "0"]
    if operation == "PR_CAP_AMBIENT":
        what, capability = values
        last = capability_name(capability) if what == syscalls.PR_CAP_AMBIENT_RAISE else "0"
        return "prctl", [operation, _AMBIENT[what], last, "0", "0"]
    return "prctl", [str(operation), *(str(int(value)) for value in values)]


def _execve(_: Call, file: str | bytes, arguments: Any, environment: Any) -> Spelled:
    words = ", ".join(text(word) for word in arguments)
    return "execve", [text(file), f"[{words}]", f"/* {len(environment)} vars */"]


def _seccomp(_: Call, operation: int, how: int, length: int) -> Spelled:
    assert operation == syscalls.SECCOMP_SET_MODE_FILTER
    return "seccomp", ["SECCOMP_SET_MODE_FILTER", flags(how, _SECCOMP_FLAGS), f"{{len={length}}}"]


def _write(_: Call, number: int, data: bytes) -> Spelled:
    return "write", [fd(number), text(data), str(len(data))]


def _at(name: str) -> Callable[..., Spelled]:
    """Calls on paths that have an *at variant for names in an open directory."""

    def spell(
        _: Call, first: Any, *rest: Any, dir_fd: int | None = None, follow_symlinks: bool = True, **more: Any
    ) -> Spelled:
        ats = {"mkdir": "mkdirat", "rmdir": "unlinkat", "unlink": "unlinkat", "chown": "fchownat", "chmod": "fchmodat"}
        words = [text(first) if isinstance(first, (str, bytes)) else fd(first)]
        words += [file_mode(value) if name in ("mkdir", "chmod") else plain(value) for value in (*rest, *more.values())]
        if dir_fd is None:
            return name if follow_symlinks else f"l{name}", words  # lchown(2)
        how = {"rmdir": ["AT_REMOVEDIR"], "unlink": ["0"]}.get(name, ["AT_SYMLINK_NOFOLLOW"] * (not follow_symlinks))
        return ats[name], [fd(dir_fd), *words, *how]

    return spell


def _rename(_: Call, old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> Spelled:
    if src_dir_fd is None and dst_dir_fd is None:
        return "rename", [text(old), text(new)]
    return "renameat", [fd(src_dir_fd), text(old), fd(dst_dir_fd), text(new)]


def _symlink(_: Call, target: str, name: str, *, dir_fd: int | None = None, **more: Any) -> Spelled:
    return ("symlink", [text(target), text(name)]) if dir_fd is None else (
        "symlinkat", [text(target), fd(dir_fd), text(name)])  # fmt: skip


def _mount_setattr(_: Call, tree: int, name: str, how: int, mask: int, cleared: int, propagation: int) -> Spelled:
    names = [row for row in _MOUNT_ATTR if row[0] != "MOUNT_ATTR__ATIME" or cleared]
    masks = f"attr_set={flags(mask, names)}, attr_clr={flags(cleared, names)}"
    attributes = f"{{{masks}, propagation={mount_flags(propagation)}, userns_fd=0}}"
    return "mount_setattr", [fd(tree), text(name), flags(how, _AT), attributes, "32"]


def _bpf(_: Call, operation: str, *words: Any) -> Spelled:
    if operation == "BPF_PROG_LOAD":
        program, size = words
        return "bpf", [operation, f"{{prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, {program}}}", str(size)]
    target, program, size = words
    attributes = f"{{target_fd={fd(target)}, attach_bpf_fd={program}, attach_type=BPF_CGROUP_DEVICE}}"
    return "bpf", [operation, attributes, str(size)]


def _rlimit(_: Call, number: int, limits: tuple[int, int]) -> Spelled:
    names = {
        value: name for name, value in vars(resource).items() if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
    }  # BSD's name of NOFILE
    soft, hard = ("RLIM_INFINITY" if value < 0 else str(value) for value in limits)
    return "prlimit64", ["0", names.get(number, str(number)), f"{{rlim_cur={soft}, rlim_max={hard}}}", "NULL"]


def _bind(_: Call, number: int, address: str, port: int | None = None) -> Spelled:
    if port is None:
        return "bind", [fd(number), *unix_address(address)]
    if ":" in address:
        place = f'sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "{address}", &sin6_addr), sin6_scope_id=0'
        return "bind", [fd(number), f"{{sa_family=AF_INET6, sin6_port=htons({port}), {place}}}", "28"]
    place = f'sin_port=htons({port}), sin_addr=inet_addr("{address}")'
    return "bind", [fd(number), f"{{sa_family=AF_INET, {place}}}", "16"]


def _connect(_: Call, number: int, path: str) -> Spelled:
    return "connect", [fd(number), *unix_address(path)]


def _ioctl(_: Call, number: Any, request: int, *rest: Any) -> Spelled:
    return "ioctl", [fd(number if isinstance(number, int) else number.fileno()), _IOCTLS.get(request, hex(request))]


_SPELLINGS: dict[str, Callable[..., Spelled]] = {
    "bind": _bind,
    "bpf": _bpf,
    "capset": _capset,
    "chdir": lambda _, place: ("chdir", [text(place)]),
    "chmod": _at("chmod"),
    "chown": _at("chown"),
    "clone": lambda _, mask: ("clone", [f"flags={clone_flags(mask)}|SIGCHLD"]),
    "clone3": _clone3,
    "connect": _connect,
    "close_range": lambda _, first, last, how: (
        "close_range", [str(first), "~0U" if last == 0xFFFFFFFF else str(last), flags(how, _CLOSE_RANGE)]),
    "execve": _execve,
    "fchdir": lambda _, place: ("fchdir", [fd(place)]),
    # glibc's fork(3) is a clone(2) that shares nothing; the other two flags are for its own bookkeeping.
    "fork": lambda _: ("clone", ["flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"]),
    "ioctl": _ioctl,
    "keyctl": lambda _, operation, name: ("keyctl", [operation, text(name)]),
    "listen": lambda _, number, backlog: ("listen", [fd(number), str(backlog)]),
    "mkdir": _at("mkdir"),
    "mknod": _mknod,
    "mount": lambda _, source, target, fstype, mask, data: (
        "mount", [path(source), path(target), text(fstype), mount_flags(mask), text(data)]),
    "netlink": lambda _, what, number, data: ("sendto", [fd(number), f"[{what}]", str(len(data))]),
    "netlink_answer": lambda _, number, words, error: ("recvfrom", [fd(number), f"[{words}]"]),
    "open": _openat,
    "openat2": _openat2,
    "mount_setattr": _mount_setattr,
    "move_mount": lambda _, tree, name, place, where, mask: (
        "move_mount", [fd(tree), text(name), fd(place), text(where), flags(mask, _MOVE_MOUNT)]),
    "open_tree": lambda _, dirfd, name, mask: ("open_tree", [fd(dirfd), text(name), flags(mask, _OPEN_TREE)]),
    "pidfd_open": lambda _, pid, how=0: ("pidfd_open", [str(pid), str(how)]),
    "pidfd_send_signal": lambda _, number, what: ("pidfd_send_signal", [fd(number), signal_name(what), "NULL", "0"]),
    "pivot_root": lambda _, new, old: ("pivot_root", [text(new), text(old)]),
    "prctl": _prctl,
    "rename": _rename,
    "rmdir": _at("rmdir"),
    "rt_sigaction": lambda _, number, action: (
        "rt_sigaction", [signal_name(number), f"{{sa_handler={action}, sa_mask=[], sa_flags=0}}", "NULL", "8"]),
    "seccomp": _seccomp,
    "setgroups": lambda _, groups: (
        "setgroups", [str(len(groups)), f"[{', '.join(map(str, groups))}]" if groups else "[]"]),
    "sethostname": lambda _, name: ("sethostname", [text(name), str(len(os.fsencode(name)))]),
    "setrlimit": _rlimit,
    "setsockopt": lambda _, number, level, name, value: ("setsockopt", [fd(number), level, name, f"[{value}]", "4"]),
    "shutdown": lambda _, number, how: ("shutdown", [fd(number), how]),
    "setns": lambda _, number, kind=0: ("setns", [fd(number), clone_flags(kind)]),
    "symlink": _symlink,
    "umask": lambda _, mask: ("umask", [octal(mask)]),
    "umount2": lambda _, target, mask: ("umount2", [text(target), flags(mask, _UMOUNT)]),
    "unlink": _at("unlink"),
    "unshare": lambda _, mask: ("unshare", [clone_flags(mask)]),
    "vfork": lambda _: ("vfork", []),
    "write": _write,
}  # fmt: skip
