"""The flags that limit what a container may use of memory, processors, processes and disks."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.flags.size import Size

# Those that `update` changes, too.
LIMITS = [
    usage.option("-m", "--memory", type=Size(), help="Memory limit."),
    usage.option("--memory-reservation", type=Size(), help="Memory protected from being reclaimed first."),
    usage.option("--memory-swap", type=Size(unlimited=True), help="Memory and swap together; -1: unlimited."),
    usage.option("--cpus", type=float, help="Number of processors' worth of time."),
    usage.option("--cpu-period", type=int, help="Microseconds after which --cpu-quota begins anew [100000]."),
    usage.option("--cpu-quota", type=int, help="Microseconds of processor time in a period."),
    usage.option("--cpu-rt-period", type=int, help="Refused unless 0: cgroup v2 has no real-time limits."),
    usage.option("--cpu-rt-runtime", type=int, help="Refused unless 0: cgroup v2 has no real-time limits."),
    usage.option("-c", "--cpu-shares", type=int, help="Relative share of processor time (1024 is normal)."),
    usage.option("--cpuset-cpus", default="", metavar="LIST", help="Processors that may be used (0-3, 0,1)."),
    usage.option("--cpuset-mems", default="", metavar="LIST", help="Memory nodes that may be used (0-3, 0,1)."),
    usage.option("--pids-limit", type=int, help="Number of processes and threads; -1: unlimited."),
    usage.option("--blkio-weight", type=int, help="Relative share of disk time, 10 to 1000; 0: normal."),
]
DEVICE_LIMITS = [
    usage.option("--blkio-weight-device", multiple=True, metavar="DEVICE:WEIGHT", help="The same on one device."),
    usage.option("--device-read-bps", multiple=True, metavar="DEVICE:RATE", help="Bytes a second read from a device."),
    usage.option("--device-write-bps", multiple=True, metavar="DEVICE:RATE", help="Bytes a second written to one."),
    usage.option("--device-read-iops", multiple=True, metavar="DEVICE:RATE", help="Reads a second from a device."),
    usage.option("--device-write-iops", multiple=True, metavar="DEVICE:RATE", help="Writes a second to a device."),
    usage.option("--cgroup-parent", help="Parent control group of the container's."),
]
