"""The flags that limit what a container may use of memory, processors, processes and disks."""

from __future__ import annotations

import os
from typing import Any

import click

from minidock.cli.flags import values
from minidock.engine.container.options import Limits

MEMORY_MIN = 6 << 20

# Those that `update` changes, too.
LIMITS = [
    click.option("-m", "--memory", type=values.Size(), help="Memory limit."),
    click.option("--memory-reservation", type=values.Size(), help="Memory protected from being reclaimed first."),
    click.option("--memory-swap", type=values.Size(unlimited=True), help="Memory and swap together; -1: unlimited."),
    click.option("--cpus", type=float, help="Number of processors' worth of time."),
    click.option("--cpu-period", type=int, help="Microseconds after which --cpu-quota begins anew [100000]."),
    click.option("--cpu-quota", type=int, help="Microseconds of processor time in a period."),
    click.option("--cpu-rt-period", type=int, help="Refused unless 0: cgroup v2 has no real-time limits."),
    click.option("--cpu-rt-runtime", type=int, help="Refused unless 0: cgroup v2 has no real-time limits."),
    click.option("-c", "--cpu-shares", type=int, help="Relative share of processor time (1024 is normal)."),
    click.option("--cpuset-cpus", default="", metavar="LIST", help="Processors that may be used (0-3, 0,1)."),
    click.option("--cpuset-mems", default="", metavar="LIST", help="Memory nodes that may be used (0-3, 0,1)."),
    click.option("--pids-limit", type=int, help="Number of processes and threads; -1: unlimited."),
    click.option("--blkio-weight", type=int, help="Relative share of disk time, 10 to 1000; 0: normal."),
]
DEVICE_LIMITS = [
    click.option("--blkio-weight-device", multiple=True, metavar="DEVICE:WEIGHT", help="The same on one device."),
    click.option("--device-read-bps", multiple=True, metavar="DEVICE:RATE", help="Bytes a second read from a device."),
    click.option("--device-write-bps", multiple=True, metavar="DEVICE:RATE", help="Bytes a second written to one."),
    click.option("--device-read-iops", multiple=True, metavar="DEVICE:RATE", help="Reads a second from a device."),
    click.option("--device-write-iops", multiple=True, metavar="DEVICE:RATE", help="Writes a second to a device."),
    click.option("--cgroup-parent", help="Parent control group of the container's."),
]


def parse(flags: dict[str, Any]) -> Limits:
    """The flags that limit a container. Raises `UsageError` for what cannot be."""
    memory, swap, cpus = flags["memory"], flags["memory_swap"], flags["cpus"]
    if memory is not None and 0 < memory < MEMORY_MIN:
        raise values.fail(f"Minimum memory limit allowed is 6MB, not {memory} bytes")
    if swap and swap > 0 and not memory:
        raise values.fail("--memory-swap is memory and swap together: set the --memory limit as well")
    if swap and memory and 0 < swap < memory:
        raise values.fail("Minimum memoryswap limit should be larger than memory limit")
    reservation = flags["memory_reservation"]
    if reservation and reservation < MEMORY_MIN:
        raise values.fail(f"Minimum memory reservation allowed is 6MB, not {reservation} bytes")
    if memory and reservation and reservation > memory:
        raise values.fail("Minimum memory limit can not be less than memory reservation limit")
    _check_quota(flags)
    if flags.get("cpu_rt_period") or flags.get("cpu_rt_runtime"):  # no part of a container's limits
        raise values.fail("kernel does not support CPU real-time scheduler")
    if cpus and not 0.01 <= cpus <= (os.cpu_count() or 1):
        raise values.fail(f"Range of CPUs is from 0.01 to {os.cpu_count()}.00, as there are only {os.cpu_count()}")
    weight = flags["blkio_weight"]
    if weight and not 10 <= weight <= 1000:
        raise values.fail("Range of blkio weight is from 10 to 1000")
    shares = flags["cpu_shares"]
    if shares is not None and shares < 0:
        raise values.fail(f"invalid CPU shares {shares}: it cannot be negative")
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
        device_read_bps=[values.rate(text, sized=True) for text in flags["device_read_bps"]],
        device_write_bps=[values.rate(text, sized=True) for text in flags["device_write_bps"]],
        device_read_iops=[values.rate(text, sized=False) for text in flags["device_read_iops"]],
        device_write_iops=[values.rate(text, sized=False) for text in flags["device_write_iops"]],
    )


def _check_quota(flags: dict[str, Any]) -> None:
    """--cpu-period and --cpu-quota: what --cpus says in one number."""
    period, quota = flags["cpu_period"], flags["cpu_quota"]
    for number, name in ((quota, "Quota"), (period, "Period")):
        if flags["cpus"] and number:
            raise values.fail(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    if period and not 1000 <= period <= 1_000_000:
        raise values.fail("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if quota and 0 < quota < 1000:
        raise values.fail("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _processors(text: str, kind: str) -> str:
    """A list like 0-2,4, if all of these are there (/sys/devices/system/{cpu,node}/online)."""
    if not text:
        return ""
    wanted = values.number_list(text)
    try:
        with open(f"/sys/devices/system/{kind}/online", encoding="ascii") as file:
            there = values.number_list(file.read().strip())
    except FileNotFoundError:
        there = {0}
    if not wanted <= there:
        what = "CPUs" if kind == "cpu" else "memory nodes"
        raise values.fail(f"Requested {what} are not available - requested {text}, available: {sorted(there)}")
    return text
