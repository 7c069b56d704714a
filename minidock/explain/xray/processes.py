"""The container's processes, and what the first of them is: /proc/PID (proc(5))."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from minidock.explain.xray.model import IdRange, Limit, Namespace, Process
from minidock.linux import namespaces

_TICKS = os.sysconf("SC_CLK_TCK")
_LIMIT = re.compile(r"(Max .*?) {2,}(\S+) +(\S+) *(\S*)")
Status = dict[str, str]


def read(path: str) -> str:
    """A file of /proc as text; bytes that are no UTF-8 come as in file names (surrogateescape)."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def status_of(pid: int) -> Status:
    """/proc/PID/status by its fields' names."""
    rows = (line.partition(":") for line in read(f"/proc/{pid}/status").splitlines())
    return {name: value.strip() for name, _, value in rows}


def is_dead(pid: int) -> bool:
    """Whether the process is a zombie (Z), whose exit code is not yet reaped, or dead (X)."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] in "ZX"


def members(first: int, in_cgroup: list[int]) -> list[Process]:
    """All processes of the container whose first is `first`, parents before children.

    Those of its cgroup, and the others in its PID namespace, if it has one of its own. Raises `OSError` if the first is
    gone.
    """
    depth = len(status_of(first)["NSpid"].split())
    found: dict[int, Process] = {}
    found[first] = _process(first, depth, is_member=first in in_cgroup)
    for pid in {*in_cgroup, *_in_namespace(first)} - {first}:
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            found[pid] = _process(pid, depth, is_member=pid in in_cgroup)
    return _by_descent(found, first)


def _in_namespace(first: int) -> list[int]:
    """The processes whose PID namespace is that of `first`; none if that is ours as well."""
    theirs = namespaces.identity(first, "pid")
    if theirs == namespaces.identity("self", "pid"):
        return []
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):  # ended meanwhile
                if namespaces.identity(name, "pid") == theirs:
                    found.append(int(name))
    return found


def _process(pid: int, depth: int, *, is_member: bool) -> Process:
    status = status_of(pid)
    # After the name, which may hold anything, from field 3 on (proc_pid_stat(5)).
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    numbers = status["NSpid"].split()
    words = read(f"/proc/{pid}/cmdline")
    return Process(
        pid=pid,
        inside=int(numbers[depth - 1]) if len(numbers) >= depth else 0,
        parent=int(status["PPid"]),
        uid=int(status["Uid"].split()[1]),
        gid=int(status["Gid"].split()[1]),
        name=status["Name"],
        command=words.rstrip("\0").split("\0") if words else [],
        state=status["State"].partition("(")[2].rstrip(")"),
        threads=int(status.get("Threads", 1)),
        resident=int(status.get("VmRSS", "0 kB").split()[0]) * 1024,
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        age=max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / _TICKS),
        is_member=is_member,
    )


def _by_descent(found: dict[int, Process], first: int) -> list[Process]:
    """Parents before their children, siblings by age; processes whose parent is outside come last."""
    children: dict[int, list[int]] = {}
    for pid, process in sorted(found.items()):
        parent = process.parent if process.parent in found and pid != first else 0
        children.setdefault(parent, []).append(pid)
    roots = sorted(children.get(0, []), key=lambda pid: (pid != first, pid))
    ordered, pending = [], roots[::-1]
    while pending:
        pid = pending.pop()
        ordered.append(found[pid])
        pending += reversed(children.get(pid, []))
    return ordered


def namespaces_of(pid: int, others: dict[str, int]) -> list[Namespace]:
    """The namespaces of `pid` beside ours. `others`: the first processes of other running containers, by name."""
    rows = []
    for kind in namespaces.supported():
        inode, host = namespaces.identity(pid, kind), namespaces.identity("self", kind)
        shared = [name for name, other in others.items() if inode != host and _same(other, kind, inode)]
        rows.append(Namespace(kind, inode, host, inode != host, sorted(shared)))
    return rows


def _same(pid: int, kind: str, inode: int) -> bool:
    try:
        return namespaces.identity(pid, kind) == inode
    except OSError:  # ended meanwhile
        return False


def id_map(pid: int, which: str) -> list[IdRange]:
    """/proc/PID/uid_map or gid_map: which ids outside those inside are (user_namespaces(7))."""
    return [IdRange(*map(int, line.split())) for line in read(f"/proc/{pid}/{which}").splitlines()]


def limits_of(pid: int) -> list[Limit]:
    """/proc/PID/limits, in getrlimit(2)'s units."""
    rows = [match for line in read(f"/proc/{pid}/limits").splitlines() if (match := _LIMIT.match(line))]
    return [Limit(row[1].removeprefix("Max "), _number(row[2]), _number(row[3]), row[4]) for row in rows]


def _number(text: str) -> int | None:
    return None if text == "unlimited" else int(text)


def link(pid: int, name: str) -> str:
    """Where /proc/PID/NAME points, '' if the kernel does not say."""
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def hostname(pid: int) -> str:
    """The host name in a process's UTS namespace: uname(2) returns it only inside."""
    with namespaces.temporarily_in(pid, "uts"):
        return os.uname().nodename
