"""What a container's root may do: docker's defaults, with the user's additions and removals (book 9, security)."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
from typing import Any

from minidock.engine.container.container_options import Isolation
from minidock.errors import HostError, UsageError
from minidock.linux import capabilities, cgroups
from minidock.runtime import device_access

DEFAULT_CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
]  # fmt: skip

_MASKED_PATHS = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

_THERMAL = "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle"

# What a container may touch: making nodes is allowed, using them only for a few.
DEVICE_RULES: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}, *device_access.ALWAYS]
ALL_DEVICES: list[dict[str, Any]] = [{"allow": True, "access": "rwm"}]


def masked_paths() -> list[str]:
    """Docker's list: files that reveal details of the host or of other programs (powercap: CVE-2020-8694)."""
    return [*_MASKED_PATHS, *sorted(glob.glob(_THERMAL))]


def system_paths(isolation: Isolation, *, bare: bool) -> tuple[list[str], list[str]]:
    """(hidden, read-only) paths of a container: docker's lists, or none if it is `bare`, with what --security-opt adds
    and takes away.
    """
    if "ALL" in isolation.unmasked:
        return list(isolation.masked), []
    hidden, fixed = ([], []) if bare else (masked_paths(), READONLY_PATHS)

    def stays(path: str) -> bool:
        return not any(fnmatch.fnmatchcase(path, pattern.rstrip("/") or "/") for pattern in isolation.unmasked)

    return [*filter(stays, hidden), *isolation.masked], [*filter(stays, fixed)]


def choose_capabilities(add: list[str], drop: list[str], *, privileged: bool) -> list[str]:
    """The capabilities of a container's root, in the kernel's order.

    Raises `UsageError` for a name that does not exist, `HostError` for one that was asked for by name and that this
    process does not have to give.
    """
    available = capabilities.bounding()
    added, dropped = [_name(cap) for cap in add], [_name(cap) for cap in drop]
    base = set(available) if privileged or "ALL" in added else set(DEFAULT_CAPABILITIES) & set(available)
    if "ALL" in dropped:
        base = set()
    if not privileged and cgroups.hierarchy() is None:
        base.discard("CAP_MKNOD")  # without a cgroup there is no filter that keeps a new node of the disk from working
    chosen = (base - set(dropped)) | {cap for cap in added if cap != "ALL"}
    if missing := chosen - set(available):
        raise HostError(f"minidock does not have {', '.join(sorted(missing))} itself and cannot give it", exit_code=125)
    return [cap for cap in capabilities.NAMES if cap in chosen]


def _name(text: str) -> str:
    name = text.upper()
    if name == "ALL":
        return name
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if name not in capabilities.NUMBERS:
        raise UsageError(f'invalid capability: unknown capability: "{name}"', exit_code=125)
    return name


def seccomp_section(granted: list[str], text: str | None = None) -> dict[str, Any]:
    """A profile (JSON `text`, or docker's default) as the OCI `linux.seccomp` section.

    `granted` are the capabilities of the process that it is for.

    The profile says for each rule with which capabilities, on which architectures and from which kernel on it counts
    (moby, profiles/seccomp); the OCI section is what is left for this container.
    """
    profile = json.loads(text) if text else _default_profile()
    machine = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
    arch, name = machine.get(os.uname().machine, (os.uname().machine, ""))
    kin = [row.get("subArchitectures") for row in profile.get("archMap") or [] if row["architecture"] == name]

    kernel = _version(os.uname().release)

    def counts(rule: dict[str, Any]) -> bool:
        only, never = rule.get("includes") or {}, rule.get("excludes") or {}
        return (
            set(only.get("caps") or []) <= set(granted)
            and arch in (only.get("arches") or [arch])
            and kernel >= _version(only.get("minKernel") or "0")
            and not set(never.get("caps") or []) & set(granted)
            and arch not in (never.get("arches") or [])
        )

    kept = ("names", "action", "args", "errnoRet")
    section = {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile.get("defaultErrnoRet"),
        "architectures": profile.get("architectures") or ([name, *(next(iter(kin), None) or [])] if name else []),
        "flags": profile.get("flags"),
        "listenerPath": profile.get("listenerPath"),  # who decides about SCMP_ACT_NOTIFY, as podman's profiles say it
        "listenerMetadata": profile.get("listenerMetadata"),
        "syscalls": [{key: rule[key] for key in kept if key in rule}
                     for rule in map(_named, profile.get("syscalls") or []) if counts(rule)],
    }  # fmt: skip
    return {key: value for key, value in section.items() if value is not None}


def _version(release: str) -> list[int]:
    """A kernel's version and revision: [6, 1] of "6.1.0-18-amd64"."""
    return [int(number) for number in re.findall(r"\d+", release)[:2]]


def _default_profile() -> dict[str, Any]:
    with open(os.path.join(os.path.dirname(__file__), "seccomp.json"), encoding="utf-8") as file:
        profile: dict[str, Any] = json.load(file)
    return profile


def _named(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule whose calls are under "names", where an older profile has one under "name"."""
    return rule if "names" in rule else {**rule, "names": [rule["name"]]}
