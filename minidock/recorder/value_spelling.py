"""The arguments of system calls as strace(1) writes them: masks, descriptors, paths, modes, devices, addresses."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterable
from typing import Any

from minidock.linux import capabilities, syscalls

_LONGEST = 4096  # characters of one text: more is cut, as strace does

# What is looked up by its value: the names begin like this in syscalls.py, as in the kernel's headers.
_MOUNT, _CLONE = (
    [(name, value) for name, value in vars(syscalls).items() if name.startswith(prefix)] for prefix in ("MS_", "CLONE_")
)
_OPEN = [(name, getattr(os, name)) for name in (
    "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_NOCTTY", "O_TRUNC", "O_APPEND", "O_NONBLOCK", "O_DIRECTORY",
    "O_NOFOLLOW", "O_CLOEXEC", "O_PATH")]  # fmt: skip
_FILE_TYPES = {stat.S_IFREG: "S_IFREG", stat.S_IFCHR: "S_IFCHR", stat.S_IFBLK: "S_IFBLK", stat.S_IFIFO: "S_IFIFO"}


def flags(value: int, names: Iterable[tuple[str, int]], none: str = "0") -> str:
    """A mask as names joined by "|", the lowest bit first, what has no name as a number."""
    words = []
    for name, bit in sorted(names, key=lambda row: row[1]):
        if bit and value & bit == bit:
            words.append(name)
            value &= ~bit
    if value:
        words.append(hex(value))
    return "|".join(words) or none


def clone_flags(value: int) -> str:
    """CLONE_* of clone(2), unshare(2) and setns(2)."""
    return flags(value, _CLONE)


def mount_flags(value: int) -> str:
    """MS_* of mount(2)."""
    return flags(value, _MOUNT)


def capability_set(mask: int) -> str:
    """A set of capabilities, as capset(2) takes it."""
    return flags(mask, [(f"1<<{name}", 1 << number) for name, number in capabilities.NUMBERS.items()])


def text(value: str | bytes | None) -> str:
    """A C string."""
    if value is None:
        return "NULL"
    shown = (value.decode(errors="surrogateescape") if isinstance(value, bytes) else value)[:_LONGEST]
    shown = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    shown = "".join(letter if letter.isprintable() else f"\\{ord(letter) & 0xFF:o}" for letter in shown)
    return f'"{shown}"' + ("..." if len(value) > _LONGEST else "")


def fd(number: int | None) -> str:
    """A descriptor and what it is open on."""
    if number is None or number == syscalls.AT_FDCWD:
        return "AT_FDCWD"
    try:
        return f"{number}<{os.readlink(f'/proc/self/fd/{number}')}>"
    except OSError:
        return str(number)


def path(value: str | bytes | None) -> str:
    """A path; one of an open descriptor with where that leads."""
    shown = text(value)
    if value and os.fspath(value if isinstance(value, str) else value.decode()).startswith("/proc/self/fd/"):
        try:
            return f"{shown} /* {os.readlink(value if isinstance(value, str) else value.decode())} */"
        except OSError:
            return shown
    return shown


def plain(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        return text(value)
    return "NULL" if value is None else str(int(value)) if isinstance(value, int) else repr(value)


def octal(value: int) -> str:
    """A file mode mask, with at least three digits."""
    return f"{value:03o}" if not value else f"0{value:02o}"


def file_mode(value: int) -> str:
    kind = _FILE_TYPES.get(stat.S_IFMT(value))
    octal = f"0{stat.S_IMODE(value):o}".zfill(3)
    return f"{kind}|{octal}" if kind else octal


def device_number(value: int) -> str:
    major, minor = os.major(value), os.minor(value)
    return f"makedev({hex(major) if major else 0}, {hex(minor) if minor else 0})"


def open_flags(how: int) -> str:
    only_reads = not how & (os.O_WRONLY | os.O_RDWR)
    return "|".join(filter(None, ["O_RDONLY" if only_reads else "", flags(how, _OPEN, none="")]))


def signal_name(number: int) -> str:
    if number >= 32:  # the kernel's numbers: the C library reserves the first ones
        return "SIGRTMIN" if number == 32 else f"SIGRT_{number - 32}"
    return signal.Signals(number).name if number else "0"


def capability_name(number: int) -> str:
    return capabilities.NAMES[number] if number < len(capabilities.NAMES) else f"{number:#x}"


def unix_address(name: str) -> list[str]:
    """struct sockaddr_un (unix(7)), and its length: a path has a zero behind it, an abstract name one before it."""
    shown = f'@"{name[1:]}"' if name.startswith("\0") else f'"{name}"'
    length = 2 + len(name.encode()) + (not name.startswith("\0"))
    return [f"{{sa_family=AF_UNIX, sun_path={shown}}}", str(length)]
