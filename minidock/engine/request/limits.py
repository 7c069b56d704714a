"""Limits of memory, processors, processes and disks, with docker's checks."""

from __future__ import annotations

import os
from typing import Any

from minidock.engine.container.container_options import Limits
from minidock.engine.request import values
from minidock.errors import ConflictError

MEMORY_MIN = 6 << 20
_DEVICES = ("blkio_weight_device", "device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")


def parse(flags: dict[str, Any]) -> Limits:
    """The flags that limit a container. Raises `UsageError` for what cannot be."""
    memory, swap, cpus = flags["memory"], flags["memory_swap"], flags["cpus"]
    if memory is not None and 0 < memory < MEMORY_MIN:
        raise values.declined(f"Minimum memory limit allowed is 6MB, and this is {memory} bytes")
    if swap and swap > 0 and not memory:
        raise values.declined(
            "You should always set the Memory limit when using Memoryswap limit: it is memory and swap together"
        )
    if swap and memory and 0 < swap < memory:
        raise values.declined("Minimum memoryswap limit should be larger than memory limit")
    reservation = flags["memory_reservation"]
    if reservation and reservation < MEMORY_MIN:
        raise values.declined(f"Minimum memory reservation allowed is 6MB, and this is {reservation} bytes")
    if memory and reservation and reservation > memory:
        raise values.declined("Minimum memory limit can not be less than memory reservation limit")
    _check_quota(flags)
    if flags.get("cpu_rt_period") or flags.get("cpu_rt_runtime"):  # no part of a container's limits
        raise values.declined("kernel does not support CPU real-time scheduler")
    if cpus and not 0.01 <= cpus <= (os.cpu_count() or 1):
        raise values.declined(f"Range of CPUs is from 0.01 to {os.cpu_count()}.00, as there are only {os.cpu_count()}")
    weight = flags["blkio_weight"]
    if weight and not 10 <= weight <= 1000:
        raise values.declined("Range of blkio weight is from 10 to 1000")
    shares = flags["cpu_shares"]
    if shares is not None and shares < 0:
        raise values.declined(f"invalid CPU shares {shares}: it cannot be negative")
    pids = flags["pids_limit"]
    return Limits(
        memory=memory or None,
        memory_reservation=reservation,
        memory_swap=swap,
        cpus=cpus or None,
        cpu_period=flags["cpu_period"] or None,
        cpu_quota=flags["cpu_quota"] or None,
        cpu_shares=shares,
        cpuset_cpus=_processors(flags["cpuset_cpus"], "cpu"),
        cpuset_mems=_processors(flags["cpuset_mems"], "node"),
        pids=-1 if pids is not None and pids <= 0 else pids,
        blkio_weight=weight,
        blkio_weight_device=[values.device_weight(text) for text in flags["blkio_weight_device"]],
        device_read_bps=[values.rate(text, "--device-read-bps", sized=True) for text in flags["device_read_bps"]],
        device_write_bps=[values.rate(text, "--device-write-bps", sized=True) for text in flags["device_write_bps"]],
        device_read_iops=[values.rate(text, "--device-read-iops", sized=False) for text in flags["device_read_iops"]],
        device_write_iops=[
            values.rate(text, "--device-write-iops", sized=False) for text in flags["device_write_iops"]
        ],
    )


def changed(present: Limits, given: dict[str, Any]) -> Limits:
    """The limits `present` with what is `given` as flags; 0 changes nothing. Raises in docker's words for conflicts."""
    given = {name: value for name, value in given.items() if value or name == "pids_limit"}
    memory, swap = given.get("memory"), present.memory_swap or 2 * (present.memory or 0)
    if memory and "memory_swap" not in given and swap > 0:
        if memory > swap:
            raise ConflictError("Memory limit should be smaller than already set memoryswap limit, update the "
                                "memoryswap at the same time")  # fmt: skip
        given["memory_swap"] = swap
    devices = {name: getattr(present, name) for name in _DEVICES}
    as_flags = {**present._asdict(), "pids_limit": present.pids, **dict.fromkeys(_DEVICES, ())}
    return parse({**as_flags, **given})._replace(**devices)


def _check_quota(flags: dict[str, Any]) -> None:
    """--cpu-period and --cpu-quota: what --cpus says in one number."""
    period, quota = flags["cpu_period"], flags["cpu_quota"]
    for number, name in ((quota, "Quota"), (period, "Period")):
        if flags["cpus"] and number:
            raise values.declined(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    if period and not 1000 <= period <= 1_000_000:
        raise values.declined("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if quota and 0 < quota < 1000:
        raise values.declined("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _processors(text: str, kind: str) -> str:
    """A list like 0-2,4, if all of these are there (/sys/devices/system/{cpu,node}/online)."""
    if not text:
        return ""
    what = "cpus" if kind == "cpu" else "mems"
    wanted = values.number_list(text, what)
    try:
        with open(f"/sys/devices/system/{kind}/online", encoding="ascii") as file:
            there = values.number_list(file.read().strip(), what)
    except FileNotFoundError:
        there = {0}
    if not wanted <= there:
        name = "CPUs" if kind == "cpu" else "memory nodes"
        raise values.declined(f"Requested {name} are not available - requested {text}, available: {sorted(there)}")
    return text
