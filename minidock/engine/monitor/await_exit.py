"""Wait for the next end of a container, which may not run yet (docker's wait with a condition)."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from minidock.engine.container import records, recovery
from minidock.engine.container.records import RESTARTING, Record
from minidock.engine.monitor.await_start import Waiting
from minidock.engine.monitor.monitor_channel import visit
from minidock.engine.monitor.monitor_client import Left
from minidock.engine.monitor.streams import BROKEN, poll
from minidock.runtime.channel import Channel

_LOOK = 1.0  # seconds between two looks into the record, while the monitor sends nothing
_POLL = 0.02


class Ending:
    """The next end of one container. `channel`: to its monitor, if it runs; else a socket that its next monitor
    connects to.
    """

    def __init__(self, record: Record, channel: Channel | None, waiting: Waiting | None) -> None:
        self.record = record
        self.channel = channel
        self.waiting = waiting

    def code(self, lifeline: int, *, is_removed: bool) -> int:
        """Wait for it, and with `is_removed` for the container's removal; the exit code.

        Raises `Left` if the other end of `lifeline` is closed.
        """
        code = self._next_exit(lifeline)
        while is_removed and records.is_there(self.record.root, self.record.id):
            if poll({lifeline: 0}, _POLL).get(lifeline, 0) & BROKEN:
                raise Left
        return code

    def _next_exit(self, lifeline: int) -> int:
        if self.channel is None and self.waiting:
            self.channel = self.waiting.channel(lifeline)
            if self.channel:
                self.channel.send("attach", input=False)
        while self.channel:
            fd = self.channel.end.fileno()
            ready = poll({fd: select.POLLIN, lifeline: 0})
            if fd in ready:
                message, _ = self.channel.receive()
                if message is None:
                    break  # its monitor was killed
                if message["type"] == "exit":
                    return int(message["code"])
                if message["type"] == "failed":
                    return int(message["exit_code"])
            elif ready.get(lifeline, 0) & BROKEN:
                raise Left
        return self._recorded()

    def _recorded(self) -> int:
        """Without a monitor: the exit code from the record, once the container does not run."""
        deadline = time.monotonic() + _LOOK
        while True:
            recovery.sweep_all(self.record.root)
            fresh = records.load(self.record.root, self.record.id)
            if fresh is None:
                return int(self.record.data["state"]["exitCode"])
            if not (fresh.is_up or fresh.status == RESTARTING) or time.monotonic() > deadline:
                return int(fresh.data["state"]["exitCode"])
            time.sleep(_POLL)


@contextmanager
def listening(record: Record) -> Iterator[Ending]:
    """Begin to wait: no end of the container is missed from here on."""
    with ExitStack() as stack:
        if not (record.is_up or record.status == RESTARTING):
            yield Ending(record, None, stack.enter_context(Waiting(record)))
            return
        channel = visit(record)  # None if it has ended since it was looked up
        if channel:
            stack.callback(channel.close)
        yield Ending(record, channel, None)
