"""`unpause`: thaw a frozen container."""

from __future__ import annotations

from minidock.engine.container import records
from minidock.engine.container.container_cgroup import freezer_of
from minidock.engine.container.records import PAUSED, RUNNING, Record
from minidock.engine.events import event_log
from minidock.errors import ConflictError
from minidock.observe import step


def unpause_container(root: str, name: str) -> None:
    """Let a frozen container go on."""
    record = records.find(root, name)
    if record.status != PAUSED:
        raise ConflictError(f"Container {record.id} is not paused")
    thaw(record)


def thaw(record: Record) -> None:
    """Thaw its cgroup, and write the event."""
    cgroup = freezer_of(record)
    with step("Unpause the container", book="3.2"), records.changing(record):
        if record.status == PAUSED:
            cgroup.thaw()
            record.data["state"]["status"] = RUNNING
    event_log.emit_container(record.root, "unpause", record.data)
