"""Platforms: which images this machine can run, in the words of the OCI image spec (GOOS, GOARCH)."""

from __future__ import annotations

import os

from minidock.errors import HostError

# uname(2)'s machine to Go's GOARCH and variant.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
# What a processor runs besides its own.
_ALSO_RUNS = {"amd64": ("386",), "arm64": ("arm",)}


def host_architecture() -> str:
    """This machine's architecture, such as `amd64`."""
    machine = os.uname().machine
    return _MACHINES.get(machine, (machine, ""))[0]


def host_variant() -> str:
    """The variant of the architecture, such as `v8`, or ''."""
    return _MACHINES.get(os.uname().machine, ("", ""))[1]


def runs_also(architecture: str) -> tuple[str, ...]:
    """The architectures that a processor runs besides its own."""
    return _ALSO_RUNS.get(architecture, ())


def check_runnable(name: str, os_name: str, architecture: str) -> None:
    """Raise `HostError` if an image made for this system and architecture cannot run here.

    An image that names no architecture is taken at its word; one emulated through binfmt_misc is let through.
    """
    host = host_architecture()
    if os_name not in ("", "linux"):
        raise HostError(f"{name} is an image for {os_name}, and containers share this host's Linux kernel")
    if architecture in ("", host, *runs_also(host)) or _emulated(architecture):
        return
    raise HostError(
        f"{name} is an image for linux/{architecture} and this host is linux/{host}:"
        f" get the image for {host}, or install qemu-user-static with binfmt-support"
    )


def _emulated(architecture: str) -> bool:
    """Whether binfmt_misc knows a qemu for the architecture (kernel: admin-guide/binfmt-misc.rst)."""
    machines = [machine for machine, (name, _) in _MACHINES.items() if name == architecture]
    return any(os.path.exists(f"/proc/sys/fs/binfmt_misc/qemu-{machine}") for machine in machines)
