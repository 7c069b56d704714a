"""What a container has used, by the counters of cgroup version 1, on hosts that have their controllers there.

Sources: the kernel's Documentation/admin-guide/cgroup-v1 (cpuacct, memory, pids, blkio-controller).
"""

from __future__ import annotations

import os
from typing import Any

from minidock.linux import cgroups_v1
from minidock.linux.cgroups import Cgroup

_UNLIMITED = 1 << 62  # memory.limit_in_bytes without a limit: the largest multiple of a page in a signed number


def by_controller(places: list[str]) -> dict[str, Cgroup]:
    """The container's cgroups of version 1, by controller, of those directories `places` that are there."""
    found = {}
    for name, top in cgroups_v1.hierarchies().items():
        for place in places:
            if place.startswith(f"{top}/") and os.path.isdir(place):
                found[name] = Cgroup(place)
    return found


def oom_kills(groups: dict[str, Cgroup]) -> int:
    """How many processes the kernel has killed because the limit was reached."""
    return groups["memory"].read_table("memory.oom_control").get("oom_kill", 0) if "memory" in groups else 0


def stats(groups: dict[str, Cgroup]) -> dict[str, Any]:
    """The counters of these controllers in the shape of runc's `types.Stats`."""
    known: dict[str, Any] = {}
    if "cpuacct" in groups:
        known["cpu"] = _cpu(groups["cpuacct"], groups.get("cpu"))
    if "memory" in groups:
        known["memory"] = _memory(groups["memory"])
    if "pids" in groups:
        known["pids"] = {name: _number(groups["pids"], f"pids.{file}") for name, file in
                         (("current", "current"), ("limit", "max"))}  # fmt: skip
    if "blkio" in groups:
        known["blkio"] = {"ioServiceBytesRecursive": _io(groups["blkio"])}
    return known


def _cpu(account: Cgroup, cpu: Cgroup | None) -> dict[str, Any]:
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    ticks = account.read_table("cpuacct.stat")
    throttled = cpu.read_table("cpu.stat") if cpu else {}
    return {
        "usage": {"total": _number(account, "cpuacct.usage"), "kernel": ticks.get("system", 0) * tick,
                  "user": ticks.get("user", 0) * tick},
        "throttling": {"periods": throttled.get("nr_periods", 0), "throttledPeriods": throttled.get("nr_throttled", 0),
                       "throttledTime": throttled.get("throttled_time", 0)},
    }  # fmt: skip


def _memory(cgroup: Cgroup) -> dict[str, Any]:
    raw = cgroup.read_table("memory.stat")
    return {"cache": raw.get("cache", 0), "usage": _usage(cgroup, "memory"), "swap": _usage(cgroup, "memory.memsw"),
            "raw": raw}  # fmt: skip


def _usage(cgroup: Cgroup, prefix: str) -> dict[str, int]:
    limit = _number(cgroup, f"{prefix}.limit_in_bytes")
    return {"limit": 0 if limit >= _UNLIMITED else limit, "usage": _number(cgroup, f"{prefix}.usage_in_bytes"),
            "max": _number(cgroup, f"{prefix}.max_usage_in_bytes"),
            "failcnt": _number(cgroup, f"{prefix}.failcnt")}  # fmt: skip


def _io(cgroup: Cgroup) -> list[dict[str, Any]]:
    rows = []
    for file in ("blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive"):
        try:
            lines = cgroup.read(file).splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            device, *rest = line.split()
            if len(rest) == 2:  # and not the sum of all devices, in the last line
                major, minor = map(int, device.split(":"))
                rows.append({"major": major, "minor": minor, "op": rest[0], "value": int(rest[1])})
        if rows:
            break
    return rows


def _number(cgroup: Cgroup, name: str) -> int:
    """The number in a file; 0 where there is no such file, or no limit."""
    try:
        text = cgroup.read(name).strip()
    except FileNotFoundError:
        return 0
    return 0 if text == "max" else int(text)
