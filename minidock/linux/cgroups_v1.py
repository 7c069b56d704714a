"""Control groups, version 1: where a host keeps its controllers in hierarchies of their own, limits are kept there.

Version 1 has a tree for each controller, and a process has a place in every one of them. Nobody can be born in such a
place: a process is moved there after its birth, and waits until that has been done. The kernel has each controller in
one version only. Killing, freezing and the filter for devices are version 2's, which such hosts have too (at
/sys/fs/cgroup/unified). Sources: Documentation/admin-guide/cgroup-v1 of the kernel; OCI config-linux.md, whose names
are those of version 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import syscalls
from minidock.linux.cgroup_limits import Setting
from minidock.linux.cgroups import Cgroup

Resources = dict[str, Any]

# What engines read of every container (`docker stats`) or limit later (`docker update`). Others: for a limit only.
_COUNTED = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio")
_GROUPS = {"memory": "memory", "cpu": "cpu", "pids": "pids", "blockIO": "blkio", "hugepageLimits": "hugetlb",
           "network": "net_cls", "rdma": "rdma"}  # fmt: skip


def hierarchies() -> dict[str, str]:
    """Where each controller of version 1 is mounted; {} on a host that has version 2 only."""
    found: dict[str, str] = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        for line in mountinfo:
            fields, _, after = line.partition(" - ")
            if after.startswith("cgroup "):
                controllers = after.split()[2].split(",")
                found |= {name: fields.split()[4] for name in controllers if name != "rw" and "=" not in name}
    return found


def split(resources: Resources, known: dict[str, str]) -> tuple[Resources, Resources]:
    """`linux.resources` as (what version 1's controllers keep, what is left for version 2)."""
    first: Resources = {}
    second: Resources = {}
    for group, values in resources.items():
        (first if _GROUPS.get(group) in known else second)[group] = values
    return first, second


def places(path: str, resources: Resources) -> list[str]:
    """The directories of the container whose cgroup is `path`, for the counters and for what `resources` limit."""
    known = hierarchies()
    wanted = {*_COUNTED, *(setting.controller for setting in settings(split(resources, known)[0]))}
    return sorted({known[name] + path for name in wanted if name in known})


def check_unified(resources: Resources) -> None:
    """`unified` is for files of version 2. Raises `HostError` for one of a controller that is in version 1."""
    known = hierarchies()
    for file in resources.get("unified") or {}:
        if file.partition(".")[0] in known:
            raise _refused(f"invalid configuration: resources.unified has {file}, and this host has that controller in "
                           "cgroup version 1")  # fmt: skip


def is_frozen(path: str) -> bool:
    """Whether the cgroup `path` is there in the freezer of version 1, and stopped."""
    top = hierarchies().get("freezer")
    try:
        return top is not None and Cgroup(top + path).read("freezer.state").strip() != "THAWED"
    except FileNotFoundError:
        return False


def create(path: str, resources: Resources) -> None:
    """Make the directories with their limits. Raises `HostError` for what cannot be kept; the caller deletes them."""
    known = hierarchies()
    for place in places(path, resources):
        os.makedirs(place, 0o755, exist_ok=True)
    if "cpuset" in known and os.path.isdir(known["cpuset"] + path):
        _inherit_cpuset(known["cpuset"], path)
    apply(path, resources)


def apply(path: str, resources: Resources) -> None:
    """Write the limits that version 1 keeps."""
    known = hierarchies()
    failed: list[Setting] = []
    for setting in settings(split(resources, known)[0]):
        if setting.controller not in known:
            raise _refused(f"this host has no {setting.controller} controller: the limit cannot be enforced")
        try:
            _write(known[setting.controller] + path, setting)
        except OSError:
            failed.append(setting)
    for setting in failed:  # a limit for memory may not be above that for memory and swap, and the other way round
        try:
            _write(known[setting.controller] + path, setting)
        except FileNotFoundError as error:
            if not setting.optional:
                raise _refused(f"this kernel has no {setting.file}: the limit cannot be enforced") from error
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise _refused(f"the kernel refuses '{setting.text}' for {setting.file}: {why}") from error


def join(directories: list[str], pid: int) -> None:
    """Move a process in, everywhere."""
    for directory in directories:
        with suppress(FileNotFoundError):  # somebody has removed it meanwhile, with what it would count
            Cgroup(directory).add(pid)


def delete(directories: list[str]) -> None:
    """Remove them."""
    for directory in directories:
        if os.path.isdir(directory):
            Cgroup(directory).delete()


def settings(resources: Resources) -> list[Setting]:
    """The writes that put `resources` into force. Zeros ask for nothing."""
    pids = (resources.get("pids") or {}).get("limit") or 0
    huge = resources.get("hugepageLimits") or []
    class_id = (resources.get("network") or {}).get("classID")
    return [
        *_memory(resources.get("memory") or {}),
        *_cpu(resources.get("cpu") or {}),
        *([Setting("pids", "pids.max", "max" if pids < 0 else str(pids))] if pids else []),
        *_block_io(resources.get("blockIO") or {}),
        *(Setting("hugetlb", f"hugetlb.{row['pageSize']}.limit_in_bytes", str(row["limit"])) for row in huge),
        *([Setting("net_cls", "net_cls.classid", str(class_id))] if class_id else []),
    ]


def _memory(memory: dict[str, Any]) -> Iterator[Setting]:
    if (memory.get("limit") or 0) < 0 and not memory.get("swap"):
        memory = {**memory, "swap": -1}  # the limit for both would still be one for memory, and the kernel refuses that
    for name, file in (
        ("limit", "limit_in_bytes"), ("swap", "memsw.limit_in_bytes"), ("reservation", "soft_limit_in_bytes"),
        ("kernelTCP", "kmem.tcp.limit_in_bytes"),
    ):  # fmt: skip
        if memory.get(name):
            # A kernel that does not account for swap has no such file; without swap, nothing could exceed the limit.
            yield Setting("memory", f"memory.{file}", str(memory[name]), optional=name == "swap")
    swappiness = memory.get("swappiness")
    if swappiness is not None and 0 <= swappiness <= 100:
        yield Setting("memory", "memory.swappiness", str(swappiness))
    if memory.get("disableOOMKiller"):
        yield Setting("memory", "memory.oom_control", "1")


def _cpu(cpu: dict[str, Any]) -> Iterator[Setting]:
    for name, file in (
        ("shares", "cpu.shares"), ("period", "cpu.cfs_period_us"), ("quota", "cpu.cfs_quota_us"),
        ("burst", "cpu.cfs_burst_us"), ("realtimePeriod", "cpu.rt_period_us"),
        ("realtimeRuntime", "cpu.rt_runtime_us"), ("idle", "cpu.idle"),
    ):  # fmt: skip
        if cpu.get(name):
            yield Setting("cpu", file, str(cpu[name]))
    for name in ("cpus", "mems"):
        if cpu.get(name):
            yield Setting("cpuset", f"cpuset.{name}", cpu[name])


def _block_io(block: dict[str, Any]) -> Iterator[Setting]:
    if block.get("weight"):
        yield Setting("blkio", "blkio.bfq.weight", str(block["weight"]))
    for device in block.get("weightDevice") or []:
        if device.get("weight"):
            text = f"{device['major']}:{device['minor']} {device['weight']}"
            yield Setting("blkio", "blkio.bfq.weight_device", text)
    for key, file in (
        ("throttleReadBpsDevice", "read_bps"), ("throttleWriteBpsDevice", "write_bps"),
        ("throttleReadIOPSDevice", "read_iops"), ("throttleWriteIOPSDevice", "write_iops"),
    ):  # fmt: skip
        for device in block.get(key) or []:
            text = f"{device['major']}:{device['minor']} {device['rate']}"
            yield Setting("blkio", f"blkio.throttle.{file}_device", text)


def _inherit_cpuset(top: str, path: str) -> None:
    """A new cpuset has no processors and no memory at all: those of the one above, all the way down (cpusets.rst)."""
    above = top
    for name in path.strip("/").split("/"):
        place = os.path.join(above, name)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not Cgroup(place).read(file).strip():
                Cgroup(place).write(file, Cgroup(above).read(file))
        above = place


def _write(directory: str, setting: Setting) -> None:
    fd = syscalls.open(os.path.join(directory, setting.file), os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, setting.text.encode())
    finally:
        os.close(fd)


def _refused(message: str) -> HostError:
    return HostError(message, exit_code=EXIT_ENGINE)
