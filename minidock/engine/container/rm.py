"""`rm`: remove a container, whatever state it is in."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from minidock import observe
from minidock.engine.container import cleanup, container_lock, init_process, records
from minidock.engine.container.records import PAUSED, REMOVING, RESTARTING, DamagedRecordError, Record
from minidock.engine.events import event_log
from minidock.engine.monitor.monitor_channel import visit
from minidock.errors import ConflictError, NotFoundError
from minidock.observe import step
from minidock.runtime.channel import Channel


def remove_container(root: str, name: str, *, force: bool, volumes: bool = False) -> None:
    """Remove the container that a user calls `name`; with `force` also a running one, which is killed.

    Its volumes stay; with `volumes`, anonymous ones are removed.
    """
    try:
        record = records.find(root, name)
    except DamagedRecordError as damaged:
        if not force:
            raise
        _remove_damaged(root, damaged.id, volumes=volumes)
        return
    # Only for --explain, which shows what the monitor does: the command itself waits for the lock that the monitor
    # holds.
    watched = _watch(record) if force and observe.sockets_lent() else None
    try:
        if record.is_over or force:
            # It is being made, runs, or is read by another command: wait until the lock is free.
            lock: int | None = container_lock.wait_for_lock(root, record.id, meanwhile=_KillOnce(record).kill)
        else:
            lock = container_lock.take_lock(root, record.id)
        if watched:
            _hear_the_end(watched)
    except FileNotFoundError:
        _wait_until_gone(record)  # it had --rm, or another command removes it too
        return
    finally:
        if watched:
            watched.close()
    if lock is None:
        status = record.status if record.is_up or record.status == RESTARTING else "running"
        words = f"is {status}: stop the container before removing or force remove"
        if status == PAUSED:
            words = "is paused and must be unpaused first"
        raise ConflictError(f'cannot remove container "/{record.name}": container {words}')
    try:
        cleanup.discard(record, keep_volumes=not volumes and not record.data["options"]["remove"])
    finally:
        os.close(lock)
    event_log.emit_container(root, "destroy", record.data)


def _remove_damaged(root: str, container_id: str, *, volumes: bool) -> None:
    """Remove a container whose record is damaged: as any other if its monitor writes the record anew, else by what the
    kernel shows. Its volumes stay.
    """
    from minidock.engine.container import damaged_record

    if not damaged_record.kill_processes(root, container_id):
        lock = container_lock.wait_for_lock(root, container_id)
        try:
            damaged_record.remove_container(root, container_id)
        finally:
            os.close(lock)
    elif records.is_there(root, container_id):
        with suppress(NotFoundError):  # it had --rm
            remove_container(root, container_id, force=True, volumes=volumes)


def _watch(record: Record) -> Channel | None:
    with step("Tell the monitor what is asked", book="4.7.3"):
        return visit(record)


def _hear_the_end(watched: Channel) -> None:
    """Wait for the monitor's exit message, so that its clean-up is explained before what comes now."""
    while (message := watched.receive()[0]) is not None and message["type"] != "exit":
        continue


def _wait_until_gone(record: Record) -> None:
    """Wait for the process that removes it: its name is free already, its addresses, ports and rules are removed after
    that.
    """
    with suppress(FileNotFoundError):
        os.close(container_lock.wait_for_lock(record.root, REMOVING + record.id))


class _KillOnce:
    """Kills a container, once it has a process: its creator may be writing the pid into the record at this moment.

    Its restart policy does not start it again.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.killed = 0  # start time of the process that got the signal: once is enough

    def kill(self) -> None:
        """Called again and again until the container's lock is free."""
        record = self.record
        with suppress(FileNotFoundError):
            record.reload()
            if not (record.is_up or record.status == RESTARTING):
                return
            if not record.data["state"]["stopped"]:
                with step("Tell the monitor what is asked", book="4.7.3"), records.changing(record, aside=True):
                    record.data["state"] |= {"stopped": True, "again": False}
            if record.status == RESTARTING and (channel := visit(record)):
                with suppress(BrokenPipeError, ConnectionResetError):
                    channel.send("read-record")
                channel.close()
            began = record.data["state"].get("pidStarted") or 0
            if began != self.killed:
                self.killed = began
                init_process.kill(record, signal.SIGKILL)
