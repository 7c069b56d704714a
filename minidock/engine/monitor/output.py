"""Read what a container writes once, and give it to its log and to every command that is attached.

A `Receiver` is one reader's descriptor. That of the command which started the container is lossless: nothing is read
from the container while it has not taken what came before, so a slow reader slows the container down, as in any
pipeline, and loses nothing. Clients that attach later may be `_ROOM` bytes behind before the container waits for them,
and are dropped if they take nothing for `_PATIENCE` seconds. The log never loses anything.

One lossless reader and no log: then splice(2) hands pages from pipe to pipe without copying them.
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


class Receiver:
    """A descriptor that output is written to without blocking. `broken`: why it takes no more."""

    def __init__(self, fd: int, *, lossless: bool) -> None:
        self.fd = fd
        self.lossless = lossless
        self.broken: OSError | None = None
        self.pending: deque[memoryview] = deque()  # given and not yet taken
        self._size = 0
        self._moved = 0.0  # when it last took something
        kind = os.fstat(fd).st_mode
        self.splices = lossless and not stat.S_ISSOCK(kind)
        self._socket = socket.socket(fileno=fd) if stat.S_ISSOCK(kind) else None

    @property
    def is_full(self) -> bool:
        """Whether the container has to wait for this reader."""
        return self._size > (0 if self.lossless else _ROOM)

    def write(self, data: bytes) -> None:
        """Write now what can be written, and the rest when `flush` is called."""
        if not self.pending:
            self._moved = time.monotonic()
        self.pending.append(memoryview(data))
        self._size += len(data)
        if len(self.pending) == 1:
            self.flush()

    def flush(self) -> None:
        """Write what the other side takes now."""
        try:
            while self.pending:
                count = self._write(self.pending[0])
                self._moved = time.monotonic()
                self._size -= count
                if count == len(self.pending[0]):
                    self.pending.popleft()
                else:
                    self.pending[0] = self.pending[0][count:]
        except BlockingIOError:
            if not self.lossless and time.monotonic() - self._moved > _PATIENCE:
                self.fail(OSError(errno.ETIMEDOUT, "it took nothing for too long"))
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Mark it as broken: output that is left for it is dropped."""
        self.broken = self.broken or error
        self.pending.clear()
        self._size = 0

    def close(self) -> None:
        """Close the descriptor."""
        if self._socket:
            self._socket.close()
        else:
            os.close(self.fd)

    def _write(self, data: memoryview) -> int:
        return self._socket.send(data, socket.MSG_DONTWAIT) if self._socket else os.write(self.fd, data)


class Output:
    """One of a container's outputs: `source` is our end of its pipe or terminal, which must not block.

    `over`: it has ended.
    """

    def __init__(self, source: int, name: str, log: Log | None) -> None:
        self.source = source
        self.name = name
        self.log = log
        self.receivers: list[Receiver] = []
        self.over = False
        self._receiver_is_full = False  # seen by splice(2), which cannot tell which side had to wait

    @property
    def has_pending(self) -> bool:
        """Whether a receiver has not yet taken everything."""
        return any(receiver.pending for receiver in self.receivers)

    def wants(self) -> Events:
        """The descriptors and events to poll. A receiver that breaks matters only once there is output for it."""
        wanted: Events = {receiver.fd: select.POLLOUT for receiver in self.receivers if receiver.pending}
        if self._receiver_is_full:
            wanted[self.receivers[0].fd] = select.POLLOUT
        elif not self.over and not any(receiver.is_full for receiver in self.receivers):
            wanted[self.source] = select.POLLIN
        return wanted

    def serve(self, ready: Events) -> None:
        """Move what can be moved now; `ready` is what `wait` returned."""
        for receiver in self.receivers:
            events = ready.get(receiver.fd, 0)
            if events & BROKEN:
                receiver.fail(OSError(errno.EPIPE, os.strerror(errno.EPIPE)))
            elif events or receiver.pending:  # also without an event: a client's time may be over
                receiver.flush()
                self._receiver_is_full = self._receiver_is_full and not events
        if not self.over and ready.get(self.source):
            self._move()

    def drop_broken(self) -> list[Receiver]:
        """Drop the receivers that broke, and return them. The container goes on: its output to the log, or nowhere."""
        broken = [receiver for receiver in self.receivers if receiver.broken]
        for receiver in broken:
            self.drop(receiver)
        return broken

    def drop(self, receiver: Receiver) -> None:
        """Give it nothing more, and close it."""
        self.receivers.remove(receiver)
        self._receiver_is_full = False
        receiver.close()

    def drain(self) -> None:
        """The container has ended: read and deliver what is left in the pipe, then end."""
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
        if (
            self.log is None
            and len(self.receivers) == 1
            and self.receivers[0].splices
            and not self.receivers[0].pending
        ):
            self._splice(self.receivers[0])
            return
        data = self._read()
        if data:
            self._hand_out(data)
        elif data is not None:
            self.end()

    def _splice(self, receiver: Receiver) -> None:
        try:
            if not os.splice(self.source, receiver.fd, CHUNK, flags=SPLICE_F_NONBLOCK):
                self.end()
        except BlockingIOError:
            self._receiver_is_full = True
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EIO):  # a terminal, or a file opened for appending
                receiver.splices = False
                self._move()
            else:
                receiver.fail(error)

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
        for receiver in self.receivers:
            receiver.write(data)
