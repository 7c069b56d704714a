"""`pause`, `resume` and `update`: change the cgroup of a running container."""

from __future__ import annotations

import json
import sys
from typing import Any

from minidock.errors import ConflictError, HostError, UsageError
from minidock.linux import cgroup_limits, cgroups_v1
from minidock.linux.cgroups import Cgroup
from minidock.observe import step
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container
from minidock.runtime import spec_shapes
from minidock.runtime.lifecycle import cgroup_path

_FLAGS = {
    "blkio-weight": ("blockIO", "weight"), "cpu-period": ("cpu", "period"), "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"), "cpu-share": ("cpu", "shares"), "cpu-rt-period": ("cpu", "realtimePeriod"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime"), "cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems"),
    "memory": ("memory", "limit"), "memory-reservation": ("memory", "reservation"), "memory-swap": ("memory", "swap"),
    "pids-limit": ("pids", "limit"), "cpu-idle": ("cpu", "idle"),
}  # fmt: skip
_SIZES = ("memory", "memory-reservation", "memory-swap")
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def pause(words: Words) -> int:
    """`minidock-oci pause`."""
    container = _existing(words)
    with container.locked():
        status = container.load().status
        if status not in ("running", "created"):
            raise ConflictError(f"cannot pause a container that is {status}")
        with step("Pause the container", book="3.2"):
            _own_cgroup(container).freeze()
    return 0


def resume(words: Words) -> int:
    """`minidock-oci resume`."""
    container = _existing(words)
    with container.locked():
        if not container.load().is_frozen():
            raise ConflictError(f"cannot resume a container that is {container.status}")
        with step("Unpause the container", book="3.2"):
            _own_cgroup(container).thaw()
    return 0


def update(words: Words) -> int:
    """`minidock-oci update`: what is not said, or is zero, stays as it is."""
    container = _existing(words)
    if words.flags.get("l3-cache-schema") or words.flags.get("mem-bw-schema"):
        raise HostError("Intel RDT (--l3-cache-schema, --mem-bw-schema) is not supported by minidock")
    asked = _resources(words.flags)
    with container.locked():
        if (status := container.load().status) in ("stopped", "creating"):
            raise ConflictError(f"cannot update a container that is {status}")
        with step("Write new limits to the cgroup", book="3.2"):
            first, second = cgroups_v1.split(asked, cgroups_v1.hierarchies())
            if cgroups_v1.settings(first):
                cgroups_v1.apply(_own_path(container), first)
            if cgroup_limits.settings(second):
                cgroup_limits.update(_own_cgroup(container), second)
    return 0


def _existing(words: Words) -> Container:
    return Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()


def _own_cgroup(container: Container) -> Cgroup:
    cgroup = container.cgroup
    if cgroup is None or not cgroup.exists():
        raise HostError(f"container {container.id} has no cgroup v2 of its own")
    return cgroup


def _own_path(container: Container) -> str:
    spec = container.spec
    if not spec.linux.get("cgroupsPath"):
        raise HostError(f"container {container.id} has no cgroup of its own")
    return cgroup_path(spec, "")


def _resources(flags: dict[str, Any]) -> dict[str, Any]:
    """`linux.resources`, from a file (--resources FILE, - for standard input) or from the flags."""
    if path := flags.get("resources"):
        try:
            if path == "-":
                asked = json.load(sys.stdin)
            else:
                with open(path, encoding="utf-8") as file:
                    asked = json.load(file)
        except ValueError as error:
            raise UsageError(f"--resources {path}: no JSON ({error})") from None
        asked = spec_shapes.as_go_reads(asked, spec_shapes.RESOURCES)
        spec_shapes.check_resources(asked, "--resources")
        return {key: value for key, value in asked.items() if key != "devices"}
    found: dict[str, Any] = {}
    for flag, (group, key) in _FLAGS.items():
        if flag in flags and flags[flag] not in ("", 0):
            value = _size(flag, flags[flag]) if flag in _SIZES else flags[flag]
            found.setdefault(group, {})[key] = value
    return found


def _size(flag: str, text: str) -> int:
    """Bytes, as 64m or 1gb or -1."""
    word = text.strip().lower()
    number, unit = word.rstrip("kmgtpib "), word.removesuffix("b").removesuffix("i")[-1:]
    try:
        if word == "-1":
            return -1
        return int(float(number) * _UNITS.get(unit if unit.isalpha() else "b", 1))
    except ValueError:
        raise UsageError(f"--{flag} takes a size such as 64m, or -1 for no limit, not {text!r}") from None
