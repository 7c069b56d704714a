"""`kill`: send a container's first process a signal."""

from __future__ import annotations

import signal

from minidock.engine.container import records, signals
from minidock.engine.container.end_of_run import PATIENCE, EndWatch, send_signal, wait_for_killed
from minidock.engine.container.records import PAUSED
from minidock.engine.container.unpause import thaw
from minidock.errors import ConflictError, HostError, NotFoundError, UsageError
from minidock.observe import step


def kill_container(root: str, name: str, text: str) -> None:
    """Send a container's first process the signal `text`, a name or a number; after SIGKILL, wait for its end."""
    try:
        number = signals.parse(text or "KILL")
    except UsageError as error:
        raise UsageError(f"cannot kill container: {name}: {error}") from None
    try:
        record = records.find(root, name)
    except NotFoundError as error:
        raise NotFoundError(f"cannot kill container: {name}: {error}") from None
    stops = number in (signal.SIGKILL, signals.to_stop(record))
    with step("Tell the monitor what is asked", book="4.7.3"):
        with records.changing(record, aside=True):
            if not record.is_up:
                raise ConflictError(f"cannot kill container: {name}: Container {record.id} is not running")
            if stops:
                record.data["state"]["stopped"] = True
        watch = EndWatch(record)
    send_signal(record, number)
    if stops and record.status == PAUSED:
        thaw(record)
    if number == signal.SIGKILL and not wait_for_killed(watch, record.data["state"]["startedAt"]):
        raise HostError(f"cannot kill container: {name}: it did not end within {PATIENCE:.0f} seconds")
