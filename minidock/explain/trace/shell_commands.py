"""A call as a shell command that makes the same call, if there is one (util-linux, iproute2, coreutils, nft)."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable

from minidock.explain.trace import ip_commands
from minidock.explain.trace.blocks import CallMade
from minidock.explain.trace.process_table import Copied, ProcessTable, is_refused, named, open_on, real_path
from minidock.linux import syscalls
from minidock.linux.mount_options import ATTRIBUTES, FLAG_OPTIONS, PROPAGATION_OPTIONS

_quote = shlex.quote
# unshare(1) and nsenter(1) call the namespaces by these names.
NAMESPACES = {
    syscalls.CLONE_NEWUSER: "user", syscalls.CLONE_NEWNS: "mount", syscalls.CLONE_NEWUTS: "uts",
    syscalls.CLONE_NEWIPC: "ipc", syscalls.CLONE_NEWPID: "pid", syscalls.CLONE_NEWNET: "net",
    syscalls.CLONE_NEWCGROUP: "cgroup", syscalls.CLONE_NEWTIME: "time",
}  # fmt: skip
# What setpriv(1) does in one command.
IDENTITY = ("prctl", "capset", "setgroups", "setresgid", "setresuid")
_LONGEST_INPUT = 400  # characters; of what a program is given to read, and is shown with the call that gives it
# In the order of their numbers, <asm-generic/resource.h>.
# ruff: noqa: SIM905 - this list reads better as text
_LIMITS = "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime".split()


def commands(calls: list[CallMade], processes: ProcessTable) -> list[str]:
    """The commands for a block's calls; those about a process's identity as one."""
    found: list[str] = []
    identity = []
    for position, call in enumerate(calls):
        if is_refused(calls, position):
            continue
        if call.wrapper in IDENTITY:
            identity.append(call)
        elif (words := command(call, processes)) and words not in found[-1:]:
            given, _, program = words.rpartition(" | ")
            found.append(f"... | {program}" if len(given) > _LONGEST_INPUT else words)
    words = setpriv(identity)
    return [*found, f"{words} ..."] if words else found


def command(call: CallMade, processes: ProcessTable) -> str:
    """The command for one call; '' if there is none, or the call failed."""
    make = _COMMANDS.get(call.wrapper)
    return make(call, processes) if make and not call.failed else ""


def unshare_flags(mask: int) -> list[str]:
    """The namespaces in `mask` as options of unshare(1) or nsenter(1)."""
    return [f"--{name}" for bit, name in NAMESPACES.items() if mask & bit]


def setpriv(calls: list[CallMade]) -> str:
    """setpriv(1) for what these calls do to a process's identity; '' if they do nothing that it can."""
    words: list[str] = []
    dropped = [call.arguments[1] for call in calls if call.arguments[0] == "PR_CAPBSET_DROP"]
    for call in calls:
        if call.wrapper == "setgroups":
            groups = ",".join(map(str, call.argument(0)))
            words.append(f"--groups {groups}" if groups else "--clear-groups")
        elif call.wrapper in ("setresuid", "setresgid"):
            words.append(f"--{'reuid' if call.wrapper == 'setresuid' else 'regid'} {call.argument(0)}")
        elif call.arguments[0] == "PR_SET_NO_NEW_PRIVS":
            words.append("--no-new-privs")
        elif call.arguments[0] == "PR_SET_PDEATHSIG":
            words.append(f"--pdeathsig {call.arguments[1].removeprefix('SIG')}")
    if dropped:
        words.append("--bounding-set " + ",".join(f"-{name.removeprefix('CAP_').lower()}" for name in dropped))
    return "setpriv " + " ".join(dict.fromkeys(words)) if words else ""


def mount(call: CallMade, target: str) -> str:
    """mount(8) for a call to mount(2), on `target`."""
    mask, data, fstype = call.argument(3), call.argument(4), call.argument(2)
    propagation = next((word for word, bits in PROPAGATION_OPTIONS.items() if bits == mask), "")
    if propagation:
        return f"mount --make-{propagation} {_quote(target)}"
    options = [word for word, (bits, _) in FLAG_OPTIONS.items()
               if bits and mask & bits == bits and word not in ("bind", "rbind", "sync", "remount")]  # fmt: skip
    if mask & syscalls.MS_REMOUNT:
        return f"mount -o remount,bind,{','.join(options)} {_quote(target)}"
    source = real_path(call, 0) if call.argument(0) else "none"
    if mask & syscalls.MS_BIND:
        how = "--rbind" if mask & syscalls.MS_REC else "--bind"
        return f"mount {how} {_quote(source)} {_quote(target)}"
    words = ",".join([*options, *([data if isinstance(data, str) else data.decode()] if data else [])])
    return f"mount -t {fstype} {f'-o {_quote(words)} ' if words else ''}{_quote(source)} {_quote(target)}"


def _open_tree(call: CallMade, processes: ProcessTable) -> str:
    source, how = call.argument(1), call.argument(2)
    if how & syscalls.OPEN_TREE_CLONE:
        path = source.decode() if isinstance(source, bytes) else source
        copied = Copied(path or open_on(call), bool(how & syscalls.AT_RECURSIVE), [])
        processes.copies[call.pid, call.result] = copied
    return ""


def _mount_setattr(call: CallMade, processes: ProcessTable) -> str:
    """No command: the options are shown with the mount. For a mount that is attached already there is none."""
    copied = processes.copies.get((call.pid, call.argument(0)))
    if copied:
        recursive = "r" if call.argument(2) & syscalls.AT_RECURSIVE else ""
        flags = sum(flag for flag, attribute in ATTRIBUTES.items() if call.argument(3) & attribute)
        copied.options.extend(word for word, (bits, _) in FLAG_OPTIONS.items() if bits & flags)
        copied.options.extend(f"--make-{word}" for word, bits in PROPAGATION_OPTIONS.items()
                              if bits == call.argument(5) | (syscalls.MS_REC if recursive else 0))  # fmt: skip
    return ""


def _move_mount(call: CallMade, processes: ProcessTable) -> str:
    copied = processes.copies.pop((call.pid, call.argument(0)), None)
    if copied is None:
        return ""
    target = _quote(open_on(call, 2))
    # Further copies may be made of the attached mount.
    processes.copies[call.pid, call.argument(0)] = Copied(open_on(call, 2), recursive=False, options=[])
    words = [f"mount {'--rbind' if copied.recursive else '--bind'} {_quote(copied.source)} {target}"]
    if flags := dict.fromkeys(word for word in copied.options if not word.startswith("-")):
        words.append(f"mount -o remount,bind,{','.join(flags)} {target}")
    words += [f"mount {word} {target}" for word in copied.options if word.startswith("-")]
    return " && ".join(words)


def mknod(call: CallMade, path: str) -> str:
    """mknod(1) for a call to mknod(2), or what makes an ordinary file."""
    mode, device = call.argument(1, "mode", 0o600), call.argument(2, "device", 0)
    permissions = f"-m {stat.S_IMODE(mode):o}"
    if stat.S_ISREG(mode):
        return f"install {permissions} /dev/null {_quote(path)}"
    if stat.S_ISFIFO(mode):
        return f"mkfifo {permissions} {_quote(path)}"
    kind = "c" if stat.S_ISCHR(mode) else "b"
    return f"mknod {permissions} {_quote(path)} {kind} {device >> 8 & 0xFFF} {device & 0xFF | device >> 12 & 0xFFF00}"


def _chown(call: CallMade, _: ProcessTable) -> str:
    link = "" if call.argument(4, "follow_symlinks", True) else "-h "
    return f"chown {link}{call.argument(1)}:{call.argument(2)} {_quote(named(call))}"


def _clone3(call: CallMade, _: ProcessTable) -> str:
    flags = unshare_flags(call.argument(0))
    return f"unshare {' '.join(flags)} --fork ..." if flags else ""


def _unshare(call: CallMade, _: ProcessTable) -> str:
    flags = unshare_flags(call.argument(0))
    return f"unshare {' '.join(flags)} ..." if flags else ""


def _setns(call: CallMade, processes: ProcessTable) -> str:
    pid, kinds = call.raw[1].get("target"), call.argument(1)
    if kinds == syscalls.CLONE_NEWNS:
        pid = pid or processes.inside
    return f"nsenter --target {pid} {' '.join(unshare_flags(kinds))} ..." if pid else ""


def _write(call: CallMade, processes: ProcessTable) -> str:
    path, data = open_on(call), call.argument(1)
    text = data.decode(errors="replace") if isinstance(data, bytes) else str(data)
    if not path.startswith("/"):
        if processes.fed is None or processes.fed[0] != call.pid:
            return ""
        (_, program), processes.fed = processes.fed, None
        return f"{_print(text)} | {program}"
    # The kernel takes a value with a line's end as well.
    words = f"{_print(text.rstrip() + chr(10) if path.startswith(('/proc/', '/sys/')) else text)} > {_quote(path)}"
    prefix = processes.prefix(call) if path.startswith("/proc/sys/net/") else ""
    return f"{prefix}sh -c {_quote(words)}" if prefix else words


def _print(text: str) -> str:
    """The command that prints `text`."""
    if text.find("\n") == len(text) - 1 and "\\" not in text:
        return f"echo {_quote(text[:-1])}"
    escaped = text.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n").replace("\t", "\\t")
    return f"printf {_quote(escaped)}"


def _execve(call: CallMade, processes: ProcessTable) -> str:
    """The program; '' for one that reads its input from us: its command is shown with what it is given."""
    words = " ".join(_quote(word) for word in call.argument(1))
    if not (call.pid and call.step and call.who in ("command", "monitor", "exec-monitor")):
        return f"exec {words}"
    if words.endswith(" -f -"):
        processes.feed(call, processes.prefix(call) + words)
        return ""
    return processes.prefix(call) + words


def _signal(call: CallMade, _: ProcessTable) -> str:
    pid = call.raw[1].get("target")
    return f"kill -s {call.arguments[1].removeprefix('SIG')} {pid}" if pid else ""


def _setrlimit(call: CallMade, _: ProcessTable) -> str:
    number, (soft, hard) = call.argument(0), call.argument(1)
    shown = [str(value) if value >= 0 else "unlimited" for value in (soft, hard)]
    return f"prlimit --{_LIMITS[number]}={shown[0]}:{shown[1]} ..."


def _rename(call: CallMade, _: ProcessTable) -> str:
    """No command for a file that was written beside its place (minidock/state.py): an editor does the same."""
    return "" if named(call).endswith(".tmp") else f"mv {_quote(named(call))} {_quote(named(call, 1))}"


def _mkdir(call: CallMade, _: ProcessTable) -> str:
    return f"mkdir -m {call.argument(1, 'mode', 0o777):o} {_quote(named(call))}"


_COMMANDS: dict[str, Callable[[CallMade, ProcessTable], str]] = {
    "chdir": lambda call, _: f"cd {_quote(str(call.argument(0)))}",
    "chown": _chown,
    "clone3": _clone3,
    "execve": _execve,
    "ioctl": lambda call, _: "ip link set lo up" if "SIOCSIFFLAGS" in call.arguments else "",
    "keyctl": lambda call, _: "keyctl session - ...",
    "mkdir": _mkdir,
    "mknod": lambda call, _: mknod(call, named(call)),
    "mount": lambda call, _: mount(call, real_path(call, 1)),
    "mount_setattr": _mount_setattr,
    "move_mount": _move_mount,
    "netlink": ip_commands.command,
    "open_tree": _open_tree,
    "pidfd_send_signal": _signal,
    "pivot_root": lambda call, _: f"pivot_root {real_path(call, 0)} {real_path(call, 1)}",
    "rename": _rename,
    "rmdir": lambda call, _: f"rmdir {_quote(named(call))}" if "/cgroup/" in named(call) else "",
    "sethostname": lambda call, _: f"hostname {_quote(call.argument(0))}",
    "setns": _setns,
    "setrlimit": _setrlimit,
    "setsid": lambda call, _: "setsid ...",
    "symlink": lambda call, _: f"ln -s {_quote(str(call.argument(0)))} {_quote(named(call, 1))}",
    "umask": lambda call, _: f"umask {call.argument(0):03o}",
    "umount2": lambda call, _: f"umount {'-l ' if call.argument(1) else ''}{real_path(call, 0)}",
    "unshare": _unshare,
    "write": _write,
}
