"""Wait for a container's next start, to be attached from its first byte on, or to learn how it ends.

On the command line, the command that starts a container is attached to it. In the Engine API these are two requests,
and the one that attaches comes first. So it creates a socket where the container's next monitor looks. The monitor
connects to it before the program begins; then both use the messages of `attach_server.py`.

    <run>/waiting/<container id>/<a name of its own>     a socket, removed by the process that waits, or with the
    container
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from types import TracebackType

from minidock.engine import state_paths
from minidock.engine.container import records
from minidock.engine.container.records import RESTARTING, Record
from minidock.engine.monitor.monitor_channel import visit
from minidock.engine.monitor.monitor_client import Left
from minidock.engine.monitor.streams import BROKEN, Events, poll
from minidock.linux import sockets
from minidock.runtime.channel import Channel

_LOOK = 1.0  # seconds between two looks whether the container is still there


class Waiting:
    """A socket that the next monitor connects to. Once it exists, the next start is not missed; the end of `with`
    removes it.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.directory = state_paths.waiting_directory(record.id)
        self.path = os.path.join(self.directory, os.urandom(4).hex())
        self.began = record.data["state"]["startedAt"]
        while True:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            try:
                self.listener = sockets.listen(self.path)
                return
            except FileNotFoundError:  # the directory was empty, and removed just now
                continue

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        with suppress(OSError):  # other processes wait there
            os.rmdir(self.directory)

    def channel(self, lifeline: int) -> Channel | None:
        """The channel to the monitor, once there is one; None if the container is gone, or has run and ended.

        Raises `Left` if the other end of `lifeline` is closed.
        """
        wanted: Events = {self.listener.fileno(): select.POLLIN, lifeline: 0}
        while True:
            ready = poll(wanted, _LOOK)
            if ready.get(lifeline, 0) & BROKEN:
                raise Left
            if self.listener.fileno() in ready:
                end, _ = self.listener.accept()
                end.setblocking(True)
                return Channel(end)
            record = records.load(self.record.root, self.record.id)
            if record is None:
                return None
            self.record = record
            if record.data["state"]["startedAt"] != self.began:  # just when this place was made, it was being started
                return visit(record) if record.is_up or record.status == RESTARTING else None
