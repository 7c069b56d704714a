"""`restart`: stop a container, and have the same monitor start it again."""

from __future__ import annotations

import time
from collections.abc import Callable

from minidock.engine.container import records, recovery
from minidock.engine.container.end_of_run import LOOK, POLL
from minidock.engine.container.records import Record
from minidock.engine.container.stop import end_container, stop_signal
from minidock.engine.events import event_log
from minidock.errors import MinidockError


def restart_container(
    root: str, name: str, timeout: int | None, start: Callable[[Record], None], *, signal: str = ""
) -> None:
    """Have a container stopped, and started again by the same monitor; attached clients are detached.

    `start`: starts a container without a monitor: it did not run, or it ended, or was stopped by another command,
    before its monitor read the record. Raises `MinidockError` if it cannot be started again.
    """
    record = records.find(root, name)
    number = stop_signal(record, signal)
    before = record.data["state"]["startedAt"]
    if record.is_up:
        again = end_container(record, timeout, number, again=True) and _started_again(record, before)
    else:  # if it waits for its policy's next start, that is cancelled
        end_container(record, timeout, number)
        again = False
    if not again:
        start(record)
    event_log.emit_container(root, "restart", record.data)


def _started_again(record: Record, before: str) -> bool:
    """Wait until a container has a later run than the one that began at `before`, if only a short one.

    False if there will be none, as its monitor ended before it read the record.
    """
    looked = time.monotonic()
    while True:
        if time.monotonic() > looked + LOOK:  # a monitor that was killed meanwhile sends nothing
            recovery.sweep_all(record.root)
            looked = time.monotonic()
        record.reload()
        state = record.data["state"]
        if state["startedAt"] != before:
            return True
        if record.is_over and state["error"]:
            raise MinidockError(f"Cannot restart container {record.name}: {state['error']}")
        if record.is_over:
            return False
        time.sleep(POLL)
