"""From the OCI specification's `linux.resources` to the files of a version 2 cgroup (book, chapter 1, 3.2).

The specification's names are those of version 1; each function here turns one group of them into (controller, file,
text to write). Sources: Documentation/admin-guide/cgroup-v2.rst; OCI runtime specification, config-linux.md; the
conversions of CPU shares and block weight are runc's, so that the same numbers mean the same.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux.cgroups import Cgroup
from minidock.named_tuple import NamedTuple

Resources = dict[str, Any]

# Set here; `devices` is set by `runtime/device_access.py`. Anything else is refused.
_FIELDS = {
    "memory": {"limit", "reservation", "swap", "checkBeforeUpdate"},
    "cpu": {"shares", "quota", "period", "burst", "idle", "cpus", "mems"},
    "pids": {"limit"},
    "blockIO": {"weight", "weightDevice", "throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice",
                "throttleWriteIOPSDevice"},
}  # fmt: skip


_TABLES = ("devices", "unified", "hugepageLimits", "rdma")  # groups whose keys are not of the specification


class Setting(NamedTuple):
    """One write: `controller` must be enabled for `file` to exist.

    `optional`: nothing is lost where the file is missing. `fallback`: a setting to write in that case.
    """

    controller: str
    file: str
    text: str
    optional: bool = False
    fallback: Setting | None = None


def settings(resources: Resources) -> list[Setting]:
    """The writes that set the limits `resources` (OCI config-linux.md, "Control groups"), in order.

    Raises `HostError` for what minidock does not support.
    """
    for group, values in resources.items():
        if group not in _TABLES and values:
            for name in (name for name, value in values.items() if value and name not in _FIELDS.get(group, ())):
                raise _refused(f"linux.resources.{group}.{name} is not supported by minidock")
    return [
        *_memory(resources.get("memory") or {}),
        *_cpu(resources.get("cpu") or {}),
        *_pids(resources.get("pids") or {}),
        *_block_io(resources.get("blockIO") or {}),
        *_huge_pages(resources.get("hugepageLimits") or []),
        *_rdma(resources.get("rdma") or {}),
        *(_unified(name, text) for name, text in (resources.get("unified") or {}).items()),
    ]


def controllers(resources: Resources) -> set[str]:
    """The controllers without which `resources` cannot be enforced."""
    return {setting.controller for setting in settings(resources) if not setting.optional}


def apply(cgroup: Cgroup, resources: Resources) -> None:
    """Write the limits. Raises `HostError` naming the file that this kernel lacks or the value it refuses."""
    for setting in settings(resources):
        if setting.fallback and not _has(cgroup, setting):
            setting = setting.fallback  # noqa: PLW2901
        if setting.optional and not _has(cgroup, setting):
            continue
        try:
            cgroup.write(setting.file, setting.text)
        except FileNotFoundError as error:
            raise _refused(f"this kernel has no {setting.file}: the limit cannot be enforced") from error
        except OSError as error:
            why = os.strerror(error.errno or 0)
            if error.errno == errno.ENODEV:
                why += " (io.max is for whole disks, not for partitions)"
            raise _refused(f"the kernel refuses '{setting.text}' for {setting.file}: {why}") from error


def update(cgroup: Cgroup, resources: Resources) -> None:
    """Write the limits of a cgroup that is in use: with a new quota its period stays, and the other way round."""
    cpu = dict(resources.get("cpu") or {})
    if ("quota" in cpu) != ("period" in cpu) and os.path.exists(os.path.join(cgroup.path, "cpu.max")):
        quota, period = cgroup.read("cpu.max").split()
        cpu.setdefault("period", int(period))
        cpu.setdefault("quota", -1 if quota == "max" else int(quota))
    apply(cgroup, {**resources, "cpu": cpu})


def _has(cgroup: Cgroup, setting: Setting) -> bool:
    return os.path.exists(os.path.join(cgroup.path, setting.file))


def _refused(message: str) -> HostError:
    return HostError(message, exit_code=EXIT_ENGINE)


def _limit(controller: str, file: str, number: int) -> Setting:
    """`number`, or "max" for a negative one: no limit, which also holds where the file is missing."""
    return Setting(controller, file, "max" if number < 0 else str(number), optional=number < 0)


def _memory(memory: dict[str, Any]) -> list[Setting]:
    """Bytes; -1 is no limit. The specification's `swap` is memory and swap together, version 2 counts swap alone."""
    result = []
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit:
        result.append(_limit("memory", "memory.max", limit))
    if memory.get("reservation"):
        result.append(_limit("memory", "memory.low", memory["reservation"]))
    if limit < 0 and not swap:
        swap = -1
    if swap > 0 and (not limit or swap < limit):
        raise _refused(f"a limit of {swap} bytes for memory and swap together needs one for memory that is not larger")
    if swap:
        # A kernel without swap has no such file, and nothing that could exceed the limit.
        alone = swap if swap < 0 or limit < 0 else swap - limit
        result.append(_limit("memory", "memory.swap.max", alone)._replace(optional=True))
    return result


def _cpu(cpu: dict[str, Any]) -> list[Setting]:
    result = []
    if cpu.get("shares"):
        result.append(Setting("cpu", "cpu.weight", str(weight_from_shares(cpu["shares"]))))
    if cpu.get("quota") or cpu.get("period"):
        quota = _limit("cpu", "cpu.max", cpu.get("quota") or -1)
        result.append(quota._replace(text=f"{quota.text} {cpu.get('period') or 100_000}"))
    for name, file in (("burst", "cpu.max.burst"), ("idle", "cpu.idle")):
        if cpu.get(name):
            result.append(Setting("cpu", file, str(cpu[name])))
    for name in ("cpus", "mems"):
        if cpu.get(name):
            result.append(Setting("cpuset", f"cpuset.{name}", cpu[name]))
    return result


def _pids(pids: dict[str, Any]) -> list[Setting]:
    return [_limit("pids", "pids.max", pids["limit"])] if pids.get("limit") else []


def _block_io(block: dict[str, Any]) -> list[Setting]:
    """Weight (10 to 1000) and, for each device, bytes or operations a second."""
    result = []
    if weight := block.get("weight"):
        # The BFQ scheduler has a file of its own, which takes the specification's 10 to 1000 as they are.
        plain = Setting("io", "io.weight", str(io_weight(weight)))
        result.append(Setting("io", "io.bfq.weight", str(weight), fallback=plain))
    for device in block.get("weightDevice") or []:
        number = f"{device['major']}:{device['minor']}"
        plain = Setting("io", "io.weight", f"{number} {io_weight(device['weight'])}")
        result.append(Setting("io", "io.bfq.weight", f"{number} {device['weight']}", fallback=plain))
    for key, word in (
        ("throttleReadBpsDevice", "rbps"),
        ("throttleWriteBpsDevice", "wbps"),
        ("throttleReadIOPSDevice", "riops"),
        ("throttleWriteIOPSDevice", "wiops"),
    ):
        for device in block.get(key) or []:
            # One key at a time: the kernel keeps what the device's line says of the other three.
            number = f"{device['major']}:{device['minor']}"
            result.append(Setting("io", "io.max", f"{number} {word}={device['rate'] or 'max'}"))
    return result


def _huge_pages(rows: list[dict[str, Any]]) -> list[Setting]:
    """Bytes, for each size of pages: "2MB", "1GB"."""
    return [Setting("hugetlb", f"hugetlb.{row['pageSize']}.max", str(row["limit"])) for row in rows]


def _rdma(devices: dict[str, dict[str, int]]) -> list[Setting]:
    """Handles and objects, for each device."""
    words = {"hcaHandles": "hca_handle", "hcaObjects": "hca_object"}
    return [Setting("rdma", "rdma.max", f"{name} {words[key]}={number}")
            for name, limits in devices.items() for key, number in limits.items() if key in words]  # fmt: skip


def _unified(name: str, text: str) -> Setting:
    """A version 2 file by its own name."""
    if "/" in name:
        raise _refused(f"linux.resources.unified: {name!r} is not the name of a file")
    return Setting(name.partition(".")[0], name, text)


def weight_from_shares(shares: int) -> int:
    """cpu.shares, 2 to 262144 with 1024 as normal, on the scale of cpu.weight, 1 to 10000.

    A straight line, as in runc for years. The newest runc bends it, so that 1024 becomes the normal 100 and not 39.
    """
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def io_weight(weight: int) -> int:
    """blkio.weight, 10 to 1000, on the scale of io.weight, 1 to 10000."""
    return 1 + (weight - 10) * 9999 // 990
