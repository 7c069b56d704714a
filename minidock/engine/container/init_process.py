"""Find a container's first process by its record: its pid alone may belong to another process by now (pidfd_open(2)).

The record names it by pid, start time and boot; together they name one process for ever.
"""

from __future__ import annotations

import os

from minidock.engine.container.records import Record
from minidock.linux import syscalls
from minidock.observe import step
from minidock.state import boot_id


def kill(record: Record, number: int) -> None:
    """Send a signal to the container's PID 1, if the record's pid is still the process that was recorded."""
    with step("Signal the container's first process", book="2.2.4"):
        pidfd = open_process(record)
        if pidfd is None:
            return
        try:
            syscalls.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return
        finally:
            os.close(pidfd)


def processes_of(record: Record) -> list[int]:
    """The recorded pids of the container's PID 1 and of its monitor; 0 for one that does not exist."""
    return [record.data["state"]["pid"], record.data["state"].get("monitor") or 0]


def is_alive(record: Record) -> bool:
    """Whether the container's PID 1 exists: the process with the recorded pid and start time."""
    return record.data["state"].get("boot", boot_id()) == boot_id() and running_pid(record) is not None


def running_pid(record: Record) -> int | None:
    """The pid on the host of its first process, if it exists now."""
    pid, started = record.data["state"]["pid"], record.data["state"].get("pidStarted")
    try:
        return pid if pid and start_time(pid) == started else None
    except FileNotFoundError:
        return None


def open_process(record: Record) -> int | None:
    """A pidfd of the container's PID 1, if that exists, and of no later process with the same pid."""
    pid, started = record.data["state"]["pid"], record.data["state"].get("pidStarted")
    if not pid or record.data["state"].get("boot", boot_id()) != boot_id():
        return None
    try:
        with step("Open a pidfd of the first process", book="2.2.3"):
            pidfd = syscalls.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        if start_time(pid) == started:
            return pidfd
    except FileNotFoundError:
        os.close(pidfd)
        return None
    os.close(pidfd)
    return None


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot: together with the pid it names one process (proc(5), stat).

    Raises `FileNotFoundError` if there is none of that number.
    """
    path = f"/proc/{pid}/stat"
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except ProcessLookupError:  # it has gone between open(2) and read(2)
        raise FileNotFoundError(path) from None
