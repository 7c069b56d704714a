"""`start`: lock an existing container for the monitor that is to start it (`monitor/start_container.py`)."""

from __future__ import annotations

import os

from minidock import state
from minidock.engine.container import container_lock, records, recovery
from minidock.engine.container.records import PAUSED, RESTARTING, RUNNING, Record
from minidock.errors import ConflictError, NotFoundError
from minidock.observe import step


class AlreadyUp(Exception):
    """The container runs already."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.id)
        self.record = record


def lock_for_start(root: str, name: str) -> tuple[Record, int]:
    """Lock an existing container that is to be started; returns it with its lock. The name is a user's.

    Raises `AlreadyUp` if it runs, `ConflictError` if it is paused.
    """
    record = records.find(root, name)

    def refuse_if_up() -> None:
        record.reload()
        if record.status == PAUSED:
            raise ConflictError("cannot start a paused container, try unpause instead")
        if record.status in (RUNNING, RESTARTING):
            raise AlreadyUp(record)

    try:
        lock = container_lock.wait_for_lock(root, record.id, meanwhile=refuse_if_up)
    except FileNotFoundError:
        raise NotFoundError(f"No such container: {name}") from None
    try:
        with step("Lock the container", book="4.7.3"):
            recovery.record_lost_end(record)
            with records.changing(record):
                record.data["state"] |= {"undone": False, "stopped": False, "again": False, "shutdown": False,
                                         "boot": state.boot_id()}  # fmt: skip
                record.data["restartCount"] = 0
    except BaseException:
        os.close(lock)
        raise
    return record, lock
