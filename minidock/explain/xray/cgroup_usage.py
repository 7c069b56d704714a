"""The container's control group: limits and live use, file by file (Documentation/admin-guide/cgroup-v2.rst).

A file exists only if its controller was enabled for this cgroup. Missing values are shown as missing.
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidock.explain.xray.model import Cgroup, Cpu, DeviceUse, Memory, Pids, Pressure
from minidock.explain.xray.processes import read
from minidock.linux import cgroups

_MICRO = 1_000_000


def path_of(pid: int) -> str | None:
    """The path of process `pid` in the version 2 hierarchy, from this process's root of it (cgroups(7)); None without
    one.
    """
    rows = [line[3:] for line in read(f"/proc/{pid}/cgroup").splitlines() if line.startswith("0::")]
    return rows[0] if rows and cgroups.hierarchy() else None


def processes_in(path: str) -> list[int]:
    """The pids of all processes in the cgroup `path` and below it."""
    return _group(path).processes()


def cgroup_of(path: str) -> Cgroup:
    """The limits and counters of the cgroup `path`."""
    group = _group(path)
    controllers = sorted(cgroups.available(group.path))
    return Cgroup(
        mount=cgroups.hierarchy() or "",
        path=path,
        controllers=controllers,
        missing=[name for name in cgroups.CONTROLLERS if name not in controllers],
        is_frozen=group.read_table("cgroup.events").get("frozen") == 1,
        processes=len(group.processes()),
        memory=_memory(group) if "memory" in controllers else None,
        cpu=_cpu(group),
        pids=_pids(group) if "pids" in controllers else None,
        io=_io(group) if "io" in controllers else None,
        pressure=Pressure(*(_pressure(group, name) for name in ("memory", "cpu", "io"))),
    )


def _group(path: str) -> cgroups.Cgroup:
    return cgroups.Cgroup(os.path.join(cgroups.hierarchy() or "", path.lstrip("/")))


def _text(group: cgroups.Cgroup, name: str) -> str | None:
    """A file's text; None if it does not exist."""
    with suppress(OSError):
        return group.read(name)
    return None


def _number(group: cgroups.Cgroup, name: str) -> int | None:
    """A file with one number; None if it does not exist, or holds "max"."""
    text = _text(group, name)
    return int(text) if text and text != "max" else None


def _memory(group: cgroups.Cgroup) -> Memory:
    parts = group.read_table("memory.stat")
    return Memory(
        current=_number(group, "memory.current") or 0,
        peak=_number(group, "memory.peak"),
        limit=_number(group, "memory.max"),
        protected=_number(group, "memory.low") or None,
        swap=_number(group, "memory.swap.current"),
        swap_limit=_number(group, "memory.swap.max"),
        anonymous=parts.get("anon", 0),
        cache=parts.get("file", 0),
        kernel=parts.get("kernel", 0) or parts.get("slab", 0) + parts.get("kernel_stack", 0),
        out_of_memory=group.read_table("memory.events").get("oom_kill", 0),
    )


def _cpu(group: cgroups.Cgroup) -> Cpu | None:
    """cpu.stat counts use in every cgroup, the controller's or not."""
    used = group.read_table("cpu.stat")
    if not used:
        return None
    quota, _, period = (_text(group, "cpu.max") or "max 100000").partition(" ")
    throttled = used.get("throttled_usec")
    return Cpu(
        used=used.get("usage_usec", 0) / _MICRO,
        user=used.get("user_usec", 0) / _MICRO,
        system=used.get("system_usec", 0) / _MICRO,
        limit=None if quota == "max" else int(quota) / int(period),
        weight=_number(group, "cpu.weight"),
        periods=used.get("nr_periods"),
        throttled_periods=used.get("nr_throttled"),
        throttled=None if throttled is None else throttled / _MICRO,
        processors=_text(group, "cpuset.cpus.effective"),
    )


def _pids(group: cgroups.Cgroup) -> Pids:
    return Pids(
        current=_number(group, "pids.current") or 0,
        peak=_number(group, "pids.peak"),
        limit=_number(group, "pids.max"),
        refused=group.read_table("pids.events").get("max", 0),
    )


def _io(group: cgroups.Cgroup) -> list[DeviceUse]:
    use, limits = _by_device(_text(group, "io.stat")), _by_device(_text(group, "io.max"))
    found = []
    for device in sorted({*use, *limits}):
        row = use.get(device, {})
        with suppress(OSError):
            name = os.path.basename(os.readlink(f"/sys/dev/block/{device}"))
            found.append(
                DeviceUse(device, name, row.get("rbytes", 0), row.get("wbytes", 0), row.get("rios", 0),
                          row.get("wios", 0), limits.get(device, {}))
            )  # fmt: skip
    return found


def _by_device(text: str | None) -> dict[str, dict[str, int]]:
    """Lines such as `8:0 rbytes=1 wbytes=max`, without what is "max"."""
    rows = (line.split() for line in (text or "").splitlines())
    return {
        row[0]: {key: int(value) for key, _, value in (word.partition("=") for word in row[1:]) if value.isdigit()}
        for row in rows
        if row
    }


def _pressure(group: cgroups.Cgroup, name: str) -> float | None:
    """avg10 of the line "some" (Documentation/accounting/psi.rst)."""
    for line in (_text(group, f"{name}.pressure") or "").splitlines():
        if line.startswith("some "):
            return float(line.split()[1].removeprefix("avg10="))
    return None
