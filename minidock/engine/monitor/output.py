"""What a container writes, read once and given to everybody who should have it: its log, and whoever is attached.

A `Sink` is where one reader gets it. A patient sink belongs to the command that started the container: nothing is read
from the container while that has not taken what came before, so a slow reader slows the container down, as in any
pipeline, and loses nothing. Whoever attaches later is only a guest: it may be `_ROOM` bytes behind before the container
waits for it, and if it takes nothing at all for `_PATIENCE` seconds, it is given no more. The log loses nothing ever.

One patient reader and no log: then splice(2) hands pages from pipe to pipe without copying them.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from collections import deque
from typing import TYPE_CHECKING

from minidock.engine.monitor.streams import BROKEN, CHUNK, SPLICE_F_NONBLOCK, Events

if TYPE_CHECKING:
    from minidock.engine.logs.log_writer import Log

_READ = 1 << 16
_ROOM = 1 << 20
_PATIENCE = 5.0


class Sink:
    """A descriptor that takes output, without ever waiting for it. `broken` says why it takes no more."""

    def __init__(self, fd: int, *, patient: bool) -> None:
        self.fd = fd
        self.patient = patient
        self.broken: OSError | None = None
        self.rest: deque[memoryview] = deque()  # given and not yet taken
        self._size = 0
        self._moved = 0.0  # when it last took something
        kind = os.fstat(fd).st_mode
        self.splices = patient and not stat.S_ISSOCK(kind)
        self._socket = socket.socket(fileno=fd) if stat.S_ISSOCK(kind) else None

    @property
    def holds_up(self) -> bool:
        """Whether the container has to wait for this reader."""
        return self._size > (0 if self.patient else _ROOM)

    def give(self, data: bytes) -> None:
        """Write now what can be written, and the rest when `flush` is called."""
        if not self.rest:
            self._moved = time.monotonic()
        self.rest.append(memoryview(data))
        self._size += len(data)
        if len(self.rest) == 1:
            self.flush()

    def flush(self) -> None:
        """Write what the other side takes now."""
        try:
            while self.rest:
                count = self._write(self.rest[0])
                self._moved = time.monotonic()
                self._size -= count
                if count == len(self.rest[0]):
                    self.rest.popleft()
                else:
                    self.rest[0] = self.rest[0][count:]
        except BlockingIOError:
            if not self.patient and time.monotonic() - self._moved > _PATIENCE:
                self.fail(OSError(errno.ETIMEDOUT, "it took nothing for too long"))
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """It takes no more: whatever is left for it is dropped."""
        self.broken = self.broken or error
        self.rest.clear()
        self._size = 0

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._socket:
            self._socket.close()
        else:
            os.close(self.fd)

    def _write(self, data: memoryview) -> int:
        return self._socket.send(data, socket.MSG_DONTWAIT) if self._socket else os.write(self.fd, data)


class Output:
    """One of a container's outputs: `source` is our end of its pipe or terminal, which must not block.

    `over`: nothing more comes.
    """

    def __init__(self, source: int, name: str, log: Log | None) -> None:
        self.source = source
        self.name = name
        self.log = log
        self.sinks: list[Sink] = []
        self.over = False
        self._sink_is_full = False  # seen by splice(2), which cannot tell which side had to wait

    @property
    def has_rest(self) -> bool:
        """Whether somebody has not yet taken everything."""
        return any(sink.rest for sink in self.sinks)

    def wants(self) -> Events:
        """What to wait for. A sink that breaks is of no interest until there is something for it."""
        wanted: Events = {sink.fd: select.POLLOUT for sink in self.sinks if sink.rest}
        if self._sink_is_full:
            wanted[self.sinks[0].fd] = select.POLLOUT
        elif not self.over and not any(sink.holds_up for sink in self.sinks):
            wanted[self.source] = select.POLLIN
        return wanted

    def serve(self, ready: Events) -> None:
        """Move what can be moved now; `ready` is what `wait` returned."""
        for sink in self.sinks:
            events = ready.get(sink.fd, 0)
            if events & BROKEN:
                sink.fail(OSError(errno.EPIPE, os.strerror(errno.EPIPE)))
            elif events or sink.rest:  # also without an event: to see whether a guest's patience is over
                sink.flush()
                self._sink_is_full = self._sink_is_full and not events
        if not self.over and ready.get(self.source):
            self._move()

    def shed(self) -> list[Sink]:
        """Take out the sinks that broke, and return them. The container goes on: its output to the log, or nowhere."""
        broken = [sink for sink in self.sinks if sink.broken]
        for sink in broken:
            self.drop(sink)
        return broken

    def drop(self, sink: Sink) -> None:
        """Give it nothing more, and close it."""
        self.sinks.remove(sink)
        self._sink_is_full = False
        sink.close()

    def drain(self) -> None:
        """The container has ended: read and hand out all that it left behind, then end."""
        while not self.over and (data := self._read()):
            self._hand_out(data)
        self.end()

    def end(self) -> None:
        """Close the source: SIGPIPE for who writes to a pipe, the end of file for who reads a terminal."""
        if not self.over or self.source >= 0:
            os.close(self.source)
            self.source = -1
        self.over = True

    def _move(self) -> None:
        if self.log is None and len(self.sinks) == 1 and self.sinks[0].splices and not self.sinks[0].rest:
            self._splice(self.sinks[0])
            return
        data = self._read()
        if data:
            self._hand_out(data)
        elif data is not None:
            self.end()

    def _splice(self, sink: Sink) -> None:
        try:
            if not os.splice(self.source, sink.fd, CHUNK, flags=SPLICE_F_NONBLOCK):
                self.end()
        except BlockingIOError:
            self._sink_is_full = True
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EIO):  # a terminal, or a file opened for appending
                sink.splices = False
                self._move()
            else:
                sink.fail(error)

    def _read(self) -> bytes | None:
        """Some bytes; none at the end; None if there is nothing at this moment."""
        try:
            return os.read(self.source, _READ)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""  # a terminal whose other end is closed has no end but this

    def _hand_out(self, data: bytes) -> None:
        if self.log:
            self.log.write(self.name, data)
        for sink in self.sinks:
            sink.give(data)
