"""End a container's run with a signal, and wait for that end through its monitor."""

from __future__ import annotations

import select
import time
from functools import partial

from minidock.engine.container import init_process, records, recovery
from minidock.engine.container.records import EXITED, RESTARTING, Record
from minidock.engine.events import event_log
from minidock.engine.monitor.monitor_channel import visit
from minidock.engine.monitor.streams import poll
from minidock.linux.timeouts import ActivityTimeout
from minidock.runtime.channel import Channel

PATIENCE = 10.0  # seconds for what the kernel and the monitor need after SIGKILL
POLL = 0.005
LOOK = 0.5  # seconds between two looks into the record, while the monitor sends nothing


class EndWatch:
    """A channel to a container's monitor, which sends the container's exit. Made before the signal that ends it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.channel: Channel | None = visit(record)

    def read_record(self) -> None:
        """Have the monitor read the record again."""
        if self.channel:
            try:
                self.channel.send("read-record")
            except (BrokenPipeError, ConnectionResetError):
                return  # it is at its end anyway

    def end(self, seconds: float | None) -> int | None:
        """Wait at most `seconds` for the end: the exit code; None if time is up, or the monitor has ended."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.channel:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not poll({self.channel.end.fileno(): select.POLLIN}, left):
                return None
            message, _ = self.channel.receive()
            if message is None:
                self.channel.close()
                self.channel = None
            elif message["type"] == "exit":
                return int(message["code"])
        return self._recorded()

    def _recorded(self) -> int | None:
        """Without a listening monitor: the exit code from the record, once that is final."""
        recovery.sweep_all(self.record.root)
        fresh = records.load(self.record.root, self.record.id)
        if fresh is None or fresh.is_over or fresh.status == EXITED:
            return int(fresh.data["state"]["exitCode"]) if fresh else 0
        time.sleep(POLL)  # it is just being started, or just ending
        return None


def wait_for_end(watch: EndWatch, started: str, seconds: float | None) -> bool:
    """Wait at most `seconds` for the end of the run that began at `started`, by the monitor's message or by the record.

    The monitor may have begun the next run when the channel was made: then it sends the end of that one only.
    """
    deadline = time.monotonic() + (seconds if seconds is not None else float("inf"))
    while watch.end(min(LOOK, max(0.0, deadline - time.monotonic()))) is None:
        fresh = records.load(watch.record.root, watch.record.id)
        alive = fresh is not None and (fresh.is_up or fresh.status == RESTARTING)
        if fresh is None or not alive or fresh.data["state"]["startedAt"] != started:
            return True
        if time.monotonic() >= deadline:
            return False
    return True


def wait_for_killed(watch: EndWatch, started: str) -> bool:
    """`wait_for_end`, after SIGKILL: the time counts only while the kernel runs the container and its monitor."""
    patience = ActivityTimeout(PATIENCE, partial(init_process.processes_of, watch.record))
    while not wait_for_end(watch, started, LOOK):
        if patience.is_over:
            return False
    return True


def send_signal(record: Record, number: int) -> None:
    """Send the container's first process a signal, if it exists; the event is written before."""
    if init_process.is_alive(record):  # the event comes first, as the monitor writes that of the end at once
        event_log.emit_container(record.root, "kill", record.data, signal=number)
        init_process.kill(record, number)
