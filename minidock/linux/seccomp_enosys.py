"""The head of a seccomp filter: a system call that is newer than the filter's profile does not exist (ENOSYS).

A C library tries a new call first and falls back to the older one if the kernel answers ENOSYS. With EPERM, which a
profile's default action answers, it takes the call for forbidden and fails: so a new distribution's programs would
break under an old profile (clone3 and faccessat2 did). libseccomp has one default action for both cases, therefore this
head is put in front of its program, as runc and crun do (libcontainer/seccomp/patchbpf). Calls are numbered in the
order in which they came into the kernel, so what is above the highest number of the profile is newer.

The kernel works out once which calls a filter lets through whatever their arguments (seccomp(2), since Linux 5.11), so
the few instructions cost these nothing. Sources: bpf(4) of BSD, <linux/filter.h>, <linux/seccomp.h>, <linux/audit.h>.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping
from typing import Any

# <linux/filter.h>, <linux/bpf_common.h>: load a word of struct seccomp_data, compare it, answer
LOAD_WORD, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
NR, ARCH = 0, 4  # offsets in struct seccomp_data
SECCOMP_RET_ERRNO = 0x00050000
X32_BIT = 0x40000000  # <asm/unistd.h>: set in the numbers of x32's calls, which share x86_64's AUDIT_ARCH
NO_SUCH_NUMBER = 0xFFFFFFFF
PERMISSIVE = {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"}


def head(pyseccomp: Any, section: Mapping[str, Any]) -> bytes:
    """The instructions to put in front of the program of an OCI `linux.seccomp` section; b"" if it needs none.

    A default action that lets calls through has nothing to hide. Of the section's names those count that this
    libseccomp knows: one that it does not know cannot be allowed by it, and is then taken for newer too.
    """
    if section["defaultAction"] in PERMISSIVE or section.get("defaultErrnoRet") == errno.ENOSYS:
        return b""
    names = {name for rule in section.get("syscalls") or [] for name in rule["names"]}
    program = b""
    for name in dict.fromkeys(section.get("architectures") or []):
        arch = getattr(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_"))
        # What an architecture lacks has a negative number.
        last = max((pyseccomp.resolve_syscall(arch, call) for call in names), default=-1)
        if last >= 0:
            audit, end = _range(pyseccomp, arch)
            program += _section(audit, last, end)
    return program


def _range(pyseccomp: Any, arch: int) -> tuple[int, int]:
    """The AUDIT_ARCH of an architecture of libseccomp, and the number at which its system calls end."""
    if arch == pyseccomp.Arch.X32:
        return pyseccomp.Arch.X86_64, NO_SUCH_NUMBER
    return arch, X32_BIT if arch == pyseccomp.Arch.X86_64 else NO_SUCH_NUMBER


def _section(audit: int, last: int, end: int) -> bytes:
    """ENOSYS for the calls of one architecture whose number is above `last` and below `end`."""
    instructions: Iterable[tuple[int, int, int, int]] = (  # code, steps to skip if true, if false, operand
        (LOAD_WORD, 0, 0, ARCH),
        (JUMP_EQUAL, 0, 4, audit),
        (LOAD_WORD, 0, 0, NR),
        (JUMP_GREATER, 0, 2, last),
        (JUMP_GREATER_EQUAL, 1, 0, end),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS),
    )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
