"""What a container uses, read from its cgroup and its network namespace (Documentation/admin-guide/cgroup-v2.rst).

A number that this kernel does not count for the container is None: its controller is missing, or belongs to the
version 1 hierarchies. Processor time and the number of threads are known in every cgroup.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from minidock.engine.container import container_cgroup
from minidock.engine.container.records import Record
from minidock.linux import cgroups, directory_trees
from minidock.named_tuple import NamedTuple

_UNLIMITED = "max"


class Sample(NamedTuple):
    """At one moment (`taken`, nanoseconds of the monotonic clock), bytes except for:

    `processor`: nanoseconds of processor time since the container's start; `threads`: how many there are.
    """

    taken: int
    processor: int
    threads: int
    memory: int | None
    memory_limit: int | None  # the host's memory, if it has none of its own
    received: int
    sent: int
    read: int | None
    written: int | None


NOTHING = Sample(0, 0, 0, 0, 0, 0, 0, 0, 0)  # of a container that does not run


def take(record: Record) -> Sample | None:
    """A sample of a container that is up; None if it has ended just now, or has no cgroup to count anything in."""
    cgroup = container_cgroup.find(record)
    if cgroup is None or not cgroup.exists():
        return None
    received, sent = _traffic(record.data["state"]["pid"])
    try:
        processor = cgroup.read_table("cpu.stat").get("usage_usec", 0) * 1000
        read, written = _disk(cgroup)
        return Sample(time.monotonic_ns(), processor, _threads(cgroup), *_memory(cgroup), received, sent, read, written)
    except OSError:  # ENOENT when it is looked up, ENODEV when it is read
        return None


def host_processor_time() -> int:
    """Nanoseconds that all processors of this machine have passed, at work or not (proc_stat(5), "cpu")."""
    with open("/proc/stat", encoding="ascii") as lines:
        ticks = sum(map(int, lines.readline().split()[1:9]))
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def processors() -> int:
    """How many this machine has."""
    return os.cpu_count() or 1


def processor_share(before: Sample, after: Sample) -> float:
    """The processors that were kept busy between two samples: 1.0 is one of them, all the time."""
    passed = after.taken - before.taken
    return max(0, after.processor - before.processor) / passed if passed > 0 else 0.0


def _memory(cgroup: cgroups.Cgroup) -> tuple[int | None, int | None]:
    """What is used, and the limit. As in docker, file pages that nobody has touched for long do not count: they are
    given back as soon as somebody else needs the room (docker: docs/reference/commandline/stats.md).
    """
    try:
        used = int(cgroup.read("memory.current"))
    except FileNotFoundError:
        return None, None
    idle = cgroup.read_table("memory.stat").get("inactive_file", 0)
    limit = cgroup.read("memory.max")
    return used - idle if idle < used else used, host_memory() if limit == _UNLIMITED else int(limit)


def host_memory() -> int:
    """The bytes of memory that this machine has (proc_meminfo(5), MemTotal)."""
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        return next(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemTotal:"))


def _threads(cgroup: cgroups.Cgroup) -> int:
    with suppress(FileNotFoundError):
        return int(cgroup.read("pids.current"))
    total = 0
    for directory, _, _ in directory_trees.walk(cgroup.path):
        with suppress(OSError), open(os.path.join(directory, "cgroup.threads"), "rb") as threads:
            total += threads.read().count(b"\n")
    return total


def _disk(cgroup: cgroups.Cgroup) -> tuple[int | None, int | None]:
    """Bytes read from and written to all disks together (io.stat: `8:0 rbytes=4096 wbytes=0 ...`)."""
    try:
        words = cgroup.read("io.stat").split()
    except FileNotFoundError:
        return None, None
    read = sum(int(word[7:]) for word in words if word.startswith("rbytes="))
    return read, sum(int(word[7:]) for word in words if word.startswith("wbytes="))


def _traffic(pid: int) -> tuple[int, int]:
    """Bytes received and sent by all interfaces but lo, as the container sees them (proc_pid_net(5), dev)."""
    received = sent = 0
    with suppress(OSError), open(f"/proc/{pid}/net/dev", encoding="ascii") as lines:
        for line in lines:
            name, colon, numbers = line.partition(":")
            if colon and name.strip() != "lo":
                fields = numbers.split()
                received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent
