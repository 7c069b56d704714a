"""The processes of a container as the host's ps(1) shows them (moby: daemon/top_unix.go).

ps runs outside, where all options of the host's ps are understood and pids are the host's; the container only chooses
the lines.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from minidock.engine.container import container_cgroup, records
from minidock.engine.container.records import RESTARTING, Record
from minidock.engine.events import event_log
from minidock.errors import ConflictError, HostError, MinidockError, UsageError
from minidock.linux import namespaces, programs

_RENAMED_PID = re.compile(r"\s+([^\s]*)=\s*(PID[^\s]*)")  # another column that calls itself PID


def processes(root: str, name: str, options: list[str]) -> list[list[str]]:
    """The header of ps and the lines of the container's processes, in columns. `options`: ps's own, or none for -ef."""
    record = records.find(root, name)
    if record.status == RESTARTING:
        raise ConflictError(f"Container {record.id} is restarting, wait until the container is running")
    if not record.is_up:
        raise ConflictError(f"Container {record.id} is not running")
    words = options or ["-ef"]
    if match := _RENAMED_PID.search(" " + " ".join(words)):
        raise UsageError(f'specifying "{match[1]}={match[2]}" is not allowed')
    pids = _pids(record)
    lines = _run(words, pids)
    event_log.emit_container(root, "top", record.data)
    return _chosen(lines, set(map(str, pids)))


def _pids(record: Record) -> list[int]:
    """Those in its cgroup; without a cgroup, those in its PID namespace."""
    if cgroup := container_cgroup.find(record):
        return sorted(cgroup.processes())
    own, found = namespaces.identity(record.data["state"]["pid"], "pid"), []
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        with suppress(OSError):  # it has ended meanwhile
            found += [pid] if namespaces.identity(pid, "pid") == own else []
    return found


def _run(words: list[str], pids: list[int]) -> list[str]:
    """The output of ps. Some of its options, such as f, exclude -q: then it shows all processes."""
    os.environ.pop("COLUMNS", None)  # the caller's, to which ps would cut its lines; docker's daemon has none
    for more in ([f"-q{','.join(map(str, pids))}"], []):
        try:
            done = programs.run(["ps", *words, *more])
        except FileNotFoundError:
            raise HostError("top needs the command ps: install the package procps") from None
        if done.returncode == 0:
            return done.stdout.splitlines()
    complaint = done.stderr.splitlines()
    raise MinidockError(f"ps: {complaint[0] if complaint else f'exit code {done.returncode}'}")


def _chosen(lines: list[str], pids: set[str]) -> list[list[str]]:
    """The header and the lines with one of `pids`, each with as many columns as the header: the last takes the rest."""
    header = lines[0].split() if lines else []
    if "PID" not in header:
        raise UsageError("Couldn't find PID field in ps output")
    at, rows, is_thread = header.index("PID"), [header], False
    for line in lines[1:]:
        fields = line.split(maxsplit=len(header) - 1)
        if len(fields) <= at:
            continue
        # A thread's line (ps m) has "-" there and belongs to the process above it.
        if fields[at] in pids or (is_thread and fields[at] == "-"):
            rows.append([field.strip() for field in fields])
            is_thread = True
        else:
            is_thread = False
    return rows
