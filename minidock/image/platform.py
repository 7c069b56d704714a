"""Platforms: the images that this machine can run, in the names of the OCI image spec (GOOS, GOARCH)."""

from __future__ import annotations

import os

from minidock.errors import HostError, printable
from minidock.named_tuple import NamedTuple

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
# What the levels of x86-64 after the first need, as /proc/cpuinfo calls it.
_LEVELS = (
    {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
    {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
)
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


class Platform(NamedTuple):
    """For which machines an image is made, in Go's words; '' means any."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def normalized(os: str, architecture: str, variant: str = "") -> Platform:
    """The platform under its canonical names (containerd: platforms/database.go)."""
    os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
    names = {
        "x86_64": "amd64",
        "x86-64": "amd64",
        "aarch64": "arm64",
        "i386": "386",
        "armhf": "arm",
        "armel": "arm",
    }
    implied = {"armhf": "v7", "armel": "v6", "arm": "v7"}.get(architecture, "")
    real = names.get(architecture, architecture)
    variant = variant or implied
    return Platform(os, real, "" if (real, variant) in (("arm64", "v8"), ("amd64", "v1")) else variant)


def check_system(name: str, platform: Platform) -> None:
    """Raise `HostError` if the image called `name` is for another system than Linux; one that names none is not."""
    if platform.os not in ("", "linux"):
        raise HostError(f"{name} is an image for {platform.os}, and containers share this host's Linux kernel")


def mismatch(platform: Platform) -> str:
    """Docker's warning of an image whose platform is not this machine's, or "": it may run nevertheless.

    The label may be wrong, or the kernel run such programs through an interpreter (binfmt_misc).
    """
    host = host_architecture()
    if platform.architecture in (host, *runs_also(host)):
        return ""
    wanted = printable(platform._replace(os=platform.os or "linux"))
    own = Platform("linux", host, _level() if host == "amd64" else host_variant())
    return (
        f"The requested image's platform ({wanted}) does not match the detected "
        f"host platform ({own}) and no specific platform was requested"
    )


def _level() -> str:
    """Which level of x86-64 the processor has, such as `v3`, or '' for the first (x86-64 psABI, 3.1.1)."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = set(next((line for line in file if line.startswith("flags")), "").split())
    level = 1
    for needed in _LEVELS:
        if not needed <= flags:
            break
        level += 1
    return f"v{level}" if level > 1 else ""
