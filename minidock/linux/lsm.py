"""Security modules: the label that a program gets when it begins (apparmor(7), setexeccon(3)).

What is written to /proc/self/attr/exec holds from the next execve on. Only kernels that have such a module know it.
"""

from __future__ import annotations

import os
from typing import Any

from minidock.errors import HostError
from minidock.linux import syscalls

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def has_apparmor() -> bool:
    """Whether the kernel enforces AppArmor's profiles."""
    try:
        with open(_APPARMOR, encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def has_selinux() -> bool:
    """Whether the kernel enforces SELinux's policy."""
    return os.path.exists(_SELINUX)


def check(process: dict[str, Any]) -> None:
    """Raises `HostError` for a label that this kernel has no module for."""
    profile = process.get("apparmorProfile")
    if profile and profile != "unconfined" and not has_apparmor():
        raise HostError(f"process.apparmorProfile {profile!r}: AppArmor is not enabled in this kernel")
    if process.get("selinuxLabel") and not has_selinux():
        raise HostError(f"process.selinuxLabel {process['selinuxLabel']!r}: SELinux is not enabled in this kernel")


def set_label(process: dict[str, Any]) -> None:
    """The labels of the program to come. /proc must be the kernel's."""
    profile, label = process.get("apparmorProfile"), process.get("selinuxLabel")
    if profile and has_apparmor():
        file = "apparmor/exec" if os.path.exists("/proc/self/attr/apparmor/exec") else "exec"
        _write(file, f"exec {profile}")
    if label and has_selinux():
        _write("exec", label)


def _write(name: str, text: str) -> None:
    fd = syscalls.open(f"/proc/self/attr/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, text.encode())
    finally:
        os.close(fd)
