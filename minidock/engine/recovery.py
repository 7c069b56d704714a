"""Undoing a container: at its end, after a failure half-way, and when a SIGKILL left no one to do it.

`undo` takes away what a container has outside its directory, each piece whether it is there or not, so that one
function serves all three cases. What was killed is found by `sweep`, which every command calls before it looks or
makes: a container that is not over and whose lock nobody holds.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from minidock.engine import records
from minidock.engine.records import EXITED, RUNNING, Record
from minidock.errors import MinidockError
from minidock.linux import cgroups

_REMOVING = ".removing-"
KILLED = 137


def undo(record: Record) -> Record:
    """Take away all that a container has outside its directory: processes, cgroup, cable, address. Idempotent.

    Every piece is tried; the first failure is raised at the end, when the others are gone.
    """
    failure: Exception | None = None
    for piece in (_undo_cgroup, _undo_network):
        try:
            piece(record)
        except (OSError, MinidockError) as error:
            failure = failure or error
    if failure:
        raise failure
    return record


def _undo_cgroup(record: Record) -> None:
    top, path = cgroups.hierarchy(), record.data.get("cgroup")
    if top is None or not path:
        return
    cgroup = cgroups.Cgroup(os.path.join(top, path.lstrip("/")))
    if cgroup.exists():
        cgroup.kill()
        cgroup.delete()


def _undo_network(record: Record) -> None:
    if record.data["options"]["network"] == "bridge":
        from minidock.network import bridge

        bridge.release(record.root, record.id)


def remove_files(record: Record) -> None:
    """Remove the container's directory. It is renamed first, so that no half of a container is ever seen."""
    _remove_directory(record.root, record.id)


def _remove_directory(root: str, container_id: str) -> None:
    doomed = os.path.join(root, "containers", _REMOVING + container_id)
    try:
        os.rename(records.directory(root, container_id), doomed)
    except FileNotFoundError:
        return
    remove_tree(doomed)


def remove_tree(path: str) -> None:
    """Remove a directory and all below it. Somebody else may be doing the same: then both are done when it is gone."""
    while os.path.isdir(path):
        with suppress(FileNotFoundError):  # what the other one removed under our eyes; look again
            for directory, _, files, fd in os.fwalk(path, topdown=False):
                for name in files:
                    os.unlink(name, dir_fd=fd)
                os.rmdir(directory)


def sweep(root: str) -> None:
    """Find containers whose monitor or creator was killed, and undo them. The caller holds `records.all_locked`.

    One that had not yet started goes without a trace; one that ran is kept as exited, or removed if it had --rm.
    """
    for name in os.listdir(os.path.join(root, "containers")):
        if name.startswith(_REMOVING):
            remove_tree(os.path.join(root, "containers", name))
    for container_id in records.ids(root):
        try:
            lock = records.take_lock(root, container_id)
        except FileNotFoundError:  # killed between mkdir and the lock file: nothing else was made yet
            _remove_directory(root, container_id)
            continue
        if lock is None:
            continue
        try:
            record = records.load(root, container_id)
            if record is None:
                _remove_directory(root, container_id)
            elif record.status != EXITED:
                finish(record, KILLED, error="its monitor was killed")
        finally:
            os.close(lock)


def sweep_all(root: str) -> None:
    """`sweep`, for commands that only look."""
    if os.path.isdir(os.path.join(root, "containers")):
        with records.all_locked(root):
            sweep(root)


def finish(record: Record, exit_code: int, *, oom_killed: bool = False, error: str = "") -> None:
    """Undo a container that has ended, and remove it or record how it ended."""
    started = record.status == RUNNING
    undo(record)
    if not started or record.data["options"]["remove"]:
        remove_files(record)
        return
    record.data["state"] |= {"status": EXITED, "pid": 0, "exitCode": exit_code, "oomKilled": oom_killed,
                             "error": error, "finishedAt": now()}  # fmt: skip
    record.save()


def kill(record: Record, number: int) -> None:
    """Send a signal to the container's PID 1, if the record's pid is still the process that was recorded."""
    pid, started = record.data["state"]["pid"], record.data["state"].get("pidStarted")
    if not pid:
        return
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_time(pid) == started:
            signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, FileNotFoundError):
        return
    finally:
        os.close(pidfd)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot: together with the pid it names one process (proc(5), stat)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def now() -> str:
    """This moment as RFC 3339, in UTC, with nanoseconds, as docker writes it."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}Z"
