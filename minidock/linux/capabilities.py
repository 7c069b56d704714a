"""Capabilities: the privileges of root, divided into 41 (book, chapter 7, 2.1 "Sécurité"; capabilities(7)).

A container's root keeps 14 of them. Each process has five sets. The bounding set matters most: a capability that is not
in it can never be gained again, not even through a set-uid program.
"""

from __future__ import annotations

from minidock.linux import syscalls

# <linux/capability.h>, in order of their numbers.
NAMES = (  # noqa: SIM905 - forty names read better as text
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP "
    "CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER "
    "CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE "
    "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL "
    "CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON "
    "CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
_MOST = 64  # bits of a set
NUMBERS = {name: number for number, name in enumerate(NAMES)}


def bounding() -> list[str]:
    """The named capabilities in this process's bounding set: the most that it can pass on to a container."""
    return [NAMES[number] for number in _bounding() if number < len(NAMES)]


def limit_bounding(keep: list[str]) -> None:
    """Drop every capability that is not in `keep` from the bounding set, including those without a name here."""
    wanted = {NUMBERS[name] for name in keep}
    for number in _bounding():
        if number not in wanted:
            syscalls.prctl_capbset_drop(number)


def _bounding() -> list[int]:
    """The numbers of the capabilities in this process's bounding set (prctl(2), PR_CAPBSET_READ).

    The kernel is asked for each: there may be no /proc in which this process is visible.
    """
    found = []
    for number in range(_MOST):
        try:
            if syscalls.prctl_capbset_read(number):
                found.append(number)
        except OSError:  # EINVAL: the kernel has no capability of this number
            break
    return found


def set_sets(effective: list[str], permitted: list[str], inheritable: list[str]) -> None:
    """capset(2): set three sets of this process. Nothing can be added to the permitted set."""
    syscalls.capset(_mask(effective), _mask(permitted), _mask(inheritable))


def set_ambient(names: list[str]) -> None:
    """Set the ambient set: what a process that is not root keeps when it executes a program without file
    capabilities.
    """
    syscalls.prctl_ambient(None)
    for name in names:
        syscalls.prctl_ambient(NUMBERS[name])


def _mask(names: list[str]) -> int:
    return sum(1 << NUMBERS[name] for name in names)
