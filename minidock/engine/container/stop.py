"""`stop`: send the stop signal, and SIGKILL some time later; `restart` stops a container so too.

A command writes into the record that the container is stopped, or to be started again, and sends its first process a
signal. The monitor reads the record when that process has ended. Only a monitor that waits for a restart has to be sent
a message (`monitor/attach_server.py`). The messages are docker's.
"""

from __future__ import annotations

import signal

from minidock.engine.container import records, signals
from minidock.engine.container.end_of_run import PATIENCE, EndWatch, send_signal, wait_for_end, wait_for_killed
from minidock.engine.container.records import PAUSED, RESTARTING, Record
from minidock.engine.container.unpause import thaw
from minidock.engine.events import event_log
from minidock.errors import HostError
from minidock.observe import step

DEFAULT_TIMEOUT = 10  # seconds between the stop signal and SIGKILL


def stop_container(root: str, name: str, timeout: int | None, *, signal: str = "", shutdown: bool = False) -> None:
    """Send a container its stop signal, and SIGKILL `timeout` seconds later (negative: never). Idempotent.

    `timeout` None: what the container was made with, or 10. `signal`: another one than its own, a name or a number.
    `shutdown`: the machine goes down, and no user has asked for the stop.
    """
    record = records.find(root, name)
    if end_container(record, timeout, stop_signal(record, signal), shutdown=shutdown):
        event_log.emit_container(root, "stop", record.data)


def stop_signal(record: Record, asked: str) -> int:
    """The number of the stop signal. Raises `UsageError` for an unknown one."""
    return signals.parse(asked) if asked else signals.to_stop(record)


def end_container(
    record: Record, timeout: int | None, number: int, *, again: bool = False, shutdown: bool = False
) -> bool:
    """Stop a container with the signal `number`; False if it did not run. `again`: its monitor starts it once more."""
    with step("Tell the monitor what is asked", book="4.7.3"):
        watch = EndWatch(record)
        with records.changing(record, aside=True):
            if not record.is_up and record.status != RESTARTING:
                return False
            record.data["state"] |= {"stopped": not again, "again": again, "shutdown": shutdown}
        watch.read_record()
    if timeout is None:
        timeout = record.data["options"]["stop_timeout"]
    if timeout is None:
        timeout = DEFAULT_TIMEOUT
    _end_run(record, watch, number, timeout)
    while not again and (later := _next_run(record)):  # its monitor had begun the next run before it read the record
        watch = EndWatch(later)
        watch.read_record()
        _end_run(later, watch, number, timeout)
    return True


def _end_run(record: Record, watch: EndWatch, number: int, timeout: int) -> None:
    """Send the signal `number` to the present run, if there is one, and wait for its end, with SIGKILL after the
    timeout.
    """
    if record.is_up:
        send_signal(record, number)
        if record.status == PAUSED:
            thaw(record)
    started = record.data["state"]["startedAt"]
    if not wait_for_end(watch, started, None if timeout < 0 else timeout):
        send_signal(record, signal.SIGKILL)
        if not wait_for_killed(watch, started):
            raise HostError(f"container {record.name} did not end within {PATIENCE:.0f} seconds of SIGKILL")


def _next_run(record: Record) -> Record | None:
    """A container that was to be stopped, if it runs or waits all the same and nobody has started it again."""
    fresh = records.load(record.root, record.id)
    if fresh and fresh.data["state"]["stopped"] and (fresh.is_up or fresh.status == RESTARTING):
        return fresh
    return None
