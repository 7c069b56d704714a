"""`pause`: freeze all processes of a container (the cgroup freezer; cgroup-v2.rst, cgroup.freeze)."""

from __future__ import annotations

import errno

from minidock.engine.container import records
from minidock.engine.container.container_cgroup import freezer_of
from minidock.engine.container.records import PAUSED, RESTARTING, RUNNING, Record
from minidock.engine.events import event_log
from minidock.errors import ConflictError
from minidock.observe import step


def pause_container(root: str, name: str) -> None:
    """Freeze all of a container's processes (the cgroup freezer)."""
    record = records.find(root, name)
    with step("Pause the container", book="3.2"), records.changing(record):
        if record.status == PAUSED:
            raise ConflictError(f"Container {record.id} is already paused")
        if record.status == RESTARTING:
            raise ConflictError(f"Container {record.id} is restarting, wait until the container is running")
        if record.status != RUNNING:
            raise ConflictError(f"Container {record.id} is not running")
        _freeze(record)
        record.data["state"]["status"] = PAUSED
    event_log.emit_container(root, "pause", record.data)


def _freeze(record: Record) -> None:
    try:
        freezer_of(record).freeze()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        # It has just ended, and its cgroup is gone.
        raise ConflictError(f"Container {record.id} is not running") from None
