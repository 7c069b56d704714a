"""The container's mounts, from /proc/PID/mountinfo (proc_pid_mountinfo(5)), with the role of each."""

from __future__ import annotations

import os
import re

from minidock.explain.xray.model import Mount
from minidock.explain.xray.processes import read
from minidock.named_tuple import NamedTuple

_KERNEL = ("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "debugfs", "tracefs", "securityfs", "bpf")
_MEMORY = ("tmpfs", "ramfs")


class Line(NamedTuple):
    """A line of mountinfo. `root`: the directory inside the file system that is shown at `point`."""

    device: str
    root: str
    point: str
    options: list[str]
    propagation: str
    type: str
    source: str
    super_options: str


def lines_of(pid: int | str) -> list[Line]:
    """The mounts that process `pid` sees, in the order in which they were made."""
    found = []
    for line in read(f"/proc/{pid}/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, root, point, options, *fields = before.split(" ")
        kind, source, super_options = after.split(" ")[:3]
        shared = [field.partition(":")[0] for field in fields]
        # A shared mount passes mounts on to its peers, a slave only takes them (mount_namespaces(7)).
        propagation = "shared" if "shared" in shared else "slave" if "master" in shared else "private"
        found.append(
            Line(device, unescaped(root), unescaped(point), options.split(","), propagation, kind, unescaped(source),
                 unescaped(super_options))
        )  # fmt: skip
    return found


def unescaped(text: str) -> str:
    """Blanks, newlines and backslashes come as \\040, \\012, \\134."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mounts_of(pid: int) -> list[Mount]:
    """The container's mounts, with the paths of the host that they show."""
    ours = lines_of("self")
    return [
        Mount(
            path=line.point,
            type=line.type,
            source=line.source,
            host_path=_on_host(line, ours) if _role(line) in ("bind", "device") else "",
            options=line.options,
            is_read_only="ro" in line.options or "ro" in line.super_options.split(","),
            propagation=line.propagation,
            role=_role(line),
        )
        for line in lines_of(pid)
    ]


def _role(line: Line) -> str:
    below_kernel = line.point.startswith(("/proc/", "/sys/"))
    if line.point == "/":
        return "root"
    if below_kernel and line.type in (*_MEMORY, "devtmpfs"):
        return "masked"  # an empty directory or /dev/null over something that the container must not see
    if below_kernel and line.type == "proc" and line.root != "/" and "ro" in line.options:
        return "protected"
    if line.type in _KERNEL:
        return "kernel"
    if line.point == "/dev" or (line.point.startswith("/dev/") and line.point != "/dev/shm"):  # shared memory
        return "device"
    return "memory" if line.type in _MEMORY and line.root == "/" else "bind"


def _on_host(line: Line, ours: list[Line]) -> str:
    """The path of the host that a bind mount shows: that of a mount of the same file system here, and the rest."""
    best = ""
    for own in ours:
        if own.device == line.device and (line.root + "/").startswith(own.root.rstrip("/") + "/"):
            rest = os.path.relpath(line.root, own.root)
            path = os.path.normpath(os.path.join(own.point, rest))
            best = path if not best or len(path) < len(best) else best
    return best
