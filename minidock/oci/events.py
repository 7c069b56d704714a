"""`events`: what a container has used, as runc writes it: one line of JSON, or one after each interval."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from minidock.durations import parse
from minidock.errors import ConflictError, UsageError
from minidock.linux.cgroups import Cgroup
from minidock.oci import stats_v1
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container

_OOM_LOOK = 1.0  # seconds between two looks at the counter of killed processes, however long the interval is


def events(words: Words) -> int:
    """`minidock-oci events`: with --stats once, else until the container has ended."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    if container.status == "stopped":
        raise ConflictError(f"container with id {container.id} is not running")
    try:
        seconds = parse(words.flags.get("interval") or "5s") / 1_000_000_000
    except ValueError as error:
        raise UsageError(f"--interval: {error}") from None
    if seconds <= 0:
        raise UsageError("duration interval must be greater than 0")
    if words.flags.get("stats"):
        _tell("stats", container.id, stats(container))
        return 0
    pidfd = container.open_process()
    killed, looked = _oom_kills(container), time.monotonic()
    while not select.select([pidfd], [], [], min(seconds, _OOM_LOOK))[0]:
        if (now := _oom_kills(container)) > killed:
            _tell("oom", container.id, None)
            killed = now
        if time.monotonic() >= looked + seconds:
            looked = time.monotonic()
            _tell("stats", container.id, stats(container))
    return 0


def _tell(kind: str, container_id: str, data: dict[str, Any] | None) -> None:
    line = {"type": kind, "id": container_id} | ({} if data is None else {"data": data})
    print(json.dumps(line, separators=(",", ":")), flush=True)


def _oom_kills(container: Container) -> int:
    """How many processes were killed for want of memory; 0 when the counters have gone with the container."""
    cgroup = container.cgroup
    try:
        first = stats_v1.oom_kills(stats_v1.by_controller(container.data.get("places") or []))
        return first or (cgroup.read_table("memory.events").get("oom_kill", 0) if cgroup else 0)
    except FileNotFoundError:
        return 0


def stats(container: Container) -> dict[str, Any]:
    """The container's counters in the shape of runc's `types.Stats`: nanoseconds, bytes, numbers of processes.

    Those of version 1 count where the host has its controllers there.
    """
    cgroup = container.cgroup
    if cgroup is None or not cgroup.exists():
        return {}
    return {**_stats(cgroup), **stats_v1.stats(stats_v1.by_controller(container.data.get("places") or []))}


def _stats(cgroup: Cgroup) -> dict[str, Any]:
    cpu = cgroup.read_table("cpu.stat")
    known: dict[str, Any] = {
        "cpu": {
            "usage": {"total": cpu.get("usage_usec", 0) * 1000, "kernel": cpu.get("system_usec", 0) * 1000,
                      "user": cpu.get("user_usec", 0) * 1000},
            "throttling": {"periods": cpu.get("nr_periods", 0), "throttledPeriods": cpu.get("nr_throttled", 0),
                           "throttledTime": cpu.get("throttled_usec", 0) * 1000},
        },
        "memory": _memory(cgroup),
        "pids": {"current": _number(cgroup, "pids.current") or len(cgroup.processes()),
                 "limit": _number(cgroup, "pids.max")},
        "blkio": {"ioServiceBytesRecursive": _io(cgroup)},
        "hugetlb": {}, "intel_rdt": {}, "network_interfaces": None,
    }  # fmt: skip
    return known


def _memory(cgroup: Cgroup) -> dict[str, Any]:
    raw = cgroup.read_table("memory.stat")
    usage = {"limit": _number(cgroup, "memory.max"), "usage": _number(cgroup, "memory.current"),
             "max": _number(cgroup, "memory.peak"), "failcnt": 0}  # fmt: skip
    swap = {"limit": _number(cgroup, "memory.swap.max"), "usage": _number(cgroup, "memory.swap.current"), "failcnt": 0}
    return {"cache": raw.get("file", 0), "usage": usage, "swap": swap, "raw": raw}


def _io(cgroup: Cgroup) -> list[dict[str, Any]]:
    rows = []
    if os.path.exists(os.path.join(cgroup.path, "io.stat")):
        for line in cgroup.read("io.stat").splitlines():
            device, *fields = line.split()
            major, minor = map(int, device.split(":"))
            values = dict(field.split("=") for field in fields)
            rows += [{"major": major, "minor": minor, "op": op, "value": int(values.get(key, 0))}
                     for op, key in (("Read", "rbytes"), ("Write", "wbytes"))]  # fmt: skip
    return rows


def _number(cgroup: Cgroup, name: str) -> int:
    """The number in one of the cgroup's files; 0 where there is no such file, or no limit."""
    try:
        text = cgroup.read(name)
    except FileNotFoundError:
        return 0
    return 0 if text == "max" else int(text)
