"""The flags that limit what a container may use of memory, processors, processes and disks."""

from __future__ import annotations

import click

from minidock.cli.flags.size import Size

# Those that `update` changes, too.
LIMITS = [
    click.option("-m", "--memory", type=Size(), help="Memory limit."),
    click.option("--memory-reservation", type=Size(), help="Memory protected from being reclaimed first."),
    click.option("--memory-swap", type=Size(unlimited=True), help="Memory and swap together; -1: unlimited."),
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
