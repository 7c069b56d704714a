"""What the container's first process may do: its capability sets and filters, from /proc/PID/status."""

from __future__ import annotations

from minidock.engine.spec.security import DEFAULT_CAPABILITIES
from minidock.explain.xray.model import Security
from minidock.explain.xray.processes import Status, read
from minidock.linux.capabilities import NAMES

_MODES = {"0": "disabled", "1": "strict", "2": "filter"}  # seccomp(2), <linux/seccomp.h>


def security_of(pid: int, status: Status) -> Security:
    """Capabilities, seccomp and labels of `pid`, whose /proc/PID/status is `status`."""
    bounding = _names(status["CapBnd"])
    filters = status.get("Seccomp_filters")  # Linux 5.9
    return Security(
        bounding=bounding,
        effective=_names(status["CapEff"]),
        permitted=_names(status["CapPrm"]),
        inheritable=_names(status["CapInh"]),
        ambient=_names(status["CapAmb"]),
        lacking=[name for name in NAMES if name in DEFAULT_CAPABILITIES and name not in bounding],
        extra=[name for name in bounding if name not in DEFAULT_CAPABILITIES],
        seccomp=_MODES.get(status.get("Seccomp", "0"), "disabled"),
        filters=None if filters is None else int(filters),
        no_new_privileges=status.get("NoNewPrivs") == "1",
        label=_label(pid),
    )


def _names(mask: str) -> list[str]:
    """The capabilities in a mask; a number stands for one without a known name."""
    bits = int(mask, 16)
    numbers = (number for number in range(bits.bit_length()) if bits >> number & 1)
    return [NAMES[number] if number < len(NAMES) else f"CAP_{number}" for number in numbers]


def _label(pid: int) -> str:
    """The process's label of a security module (AppArmor, SELinux), '' without one."""
    try:
        return read(f"/proc/{pid}/attr/current").rstrip("\0\n")
    except OSError:
        return ""
