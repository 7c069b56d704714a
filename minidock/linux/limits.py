"""From the OCI specification's `linux.resources` to the files of a version 2 cgroup (book 3.2, 9).

The specification's names are those of version 1; each function here turns one group of them into (controller, file,
text to write). Sources: Documentation/admin-guide/cgroup-v2.rst; OCI runtime specification, config-linux.md; the
conversions of CPU shares and block weight are those that runc and crun use, so that the same numbers mean the same.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from minidock.errors import HostError
from minidock.linux.cgroups import Cgroup

Resources = dict[str, Any]


class Setting(NamedTuple):
    """One write: `controller` must have been handed down for `file` to exist. `wish`: skip it if the file is absent."""

    controller: str
    file: str
    text: str
    wish: bool = False


def settings(resources: Resources) -> list[Setting]:
    """The writes that put `resources` (OCI config-linux.md, "Control groups") into force, in order."""
    return [
        *_memory(resources.get("memory") or {}),
        *_cpu(resources.get("cpu") or {}),
        *_pids(resources.get("pids") or {}),
        *_block_io(resources.get("blockIO") or {}),
        *(Setting(name.split(".")[0], name, text) for name, text in (resources.get("unified") or {}).items()),
    ]


def controllers(resources: Resources) -> set[str]:
    """The controllers without which `resources` cannot be enforced."""
    return {setting.controller for setting in settings(resources) if not setting.wish}


def apply(cgroup: Cgroup, resources: Resources) -> None:
    """Write the limits. Raises `HostError` naming the file that this kernel lacks or the value it refuses."""
    for setting in settings(resources):
        name = setting.file
        if name == "io.weight" and os.path.exists(os.path.join(cgroup.path, "io.bfq.weight")):
            # The BFQ scheduler has a weight of its own, 1 to 1000, which takes the specification's 10 to 1000 as is.
            name, setting = "io.bfq.weight", setting._replace(text=str(resources["blockIO"]["weight"]))
        if not os.path.exists(os.path.join(cgroup.path, name)):
            if setting.wish:
                continue
            raise HostError(f"this kernel has no {name} in {cgroup.path}: the limit cannot be enforced")
        try:
            cgroup.write(name, setting.text)
        except OSError as error:
            raise HostError(f"the kernel refuses {setting.text!r} for {name}: {os.strerror(error.errno or 0)}") from error


def _memory(memory: dict[str, Any]) -> list[Setting]:
    """Bytes; -1 is no limit. The specification's `swap` is memory and swap together, version 2 counts swap alone."""
    result = []
    limit, swap = memory.get("limit"), memory.get("swap")
    if limit:
        result.append(Setting("memory", "memory.max", _or_max(limit)))
    if memory.get("reservation"):
        result.append(Setting("memory", "memory.low", _or_max(memory["reservation"])))
    if swap is not None and swap < 0:
        result.append(Setting("memory", "memory.swap.max", "max", wish=True))
    elif swap and limit:
        result.append(Setting("memory", "memory.swap.max", str(swap - limit), wish=True))
    return result


def _cpu(cpu: dict[str, Any]) -> list[Setting]:
    result = []
    if cpu.get("shares"):
        result.append(Setting("cpu", "cpu.weight", str(weight_from_shares(cpu["shares"]))))
    if cpu.get("quota"):
        period = cpu.get("period") or 100_000
        result.append(Setting("cpu", "cpu.max", f"{_or_max(cpu['quota'])} {period}"))
    for name in ("cpus", "mems"):
        if cpu.get(name):
            result.append(Setting("cpuset", f"cpuset.{name}", cpu[name]))
    return result


def _pids(pids: dict[str, Any]) -> list[Setting]:
    limit = pids.get("limit", 0)
    return [Setting("pids", "pids.max", _or_max(limit))] if limit else []


def _block_io(block: dict[str, Any]) -> list[Setting]:
    """Weight (10 to 1000) and, for each device, bytes or operations a second."""
    result = []
    if block.get("weight"):
        result.append(Setting("io", "io.weight", str(io_weight(block["weight"]))))
    for key, word in (
        ("throttleReadBpsDevice", "rbps"),
        ("throttleWriteBpsDevice", "wbps"),
        ("throttleReadIOPSDevice", "riops"),
        ("throttleWriteIOPSDevice", "wiops"),
    ):
        for device in block.get(key) or []:
            number = f"{device['major']}:{device['minor']}"
            result.append(Setting("io", "io.max", f"{number} {word}={device['rate']}"))
    return result


def weight_from_shares(shares: int) -> int:
    """cpu.shares, 2 to 262144 with 1024 as normal, on the scale of cpu.weight, 1 to 10000."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def io_weight(weight: int) -> int:
    """blkio.weight, 10 to 1000, on the scale of io.weight, 1 to 10000."""
    return 1 + (weight - 10) * 9999 // 990


def _or_max(number: int) -> str:
    return "max" if number < 0 else str(number)
