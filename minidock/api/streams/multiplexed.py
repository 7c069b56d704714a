"""Two outputs over one connection: each piece behind a head of eight bytes (Docker Engine API, "Stream format").

1 or 2 (stdout, stderr), three zeros, the piece's length as a big-endian number of 32 bits
"""

from __future__ import annotations

import os
import select
import socket
import struct
from contextlib import suppress

from minidock.engine.monitor.streams import BROKEN

STDOUT, STDERR = 1, 2
_CHUNK = 1 << 18


def head(stream: int, size: int) -> bytes:
    """What comes before a piece."""
    return struct.pack(">BxxxL", stream, size)


def framed(stream: int, data: bytes) -> bytes:
    """A piece with its head."""
    return head(stream, len(data)) + data


def pump(sources: dict[int, int], client: socket.socket) -> None:
    """Send what comes from `sources` ({descriptor: stream}) to the client until all have ended, or the client has.

    It reads on only when the client has taken what came before, so that whoever writes waits for the client.
    """
    poll = select.poll()
    for fd in sources:
        poll.register(fd, select.POLLIN)
    poll.register(client, 0)
    is_open = dict(sources)
    with suppress(BrokenPipeError, ConnectionResetError):
        while is_open:
            for fd, events in poll.poll():
                if fd == client.fileno():
                    if events & BROKEN:
                        return
                    continue
                data = os.read(fd, _CHUNK)
                if data:
                    _send(client, head(is_open[fd], len(data)), data)
                else:
                    poll.unregister(fd)
                    del is_open[fd]


def _send(client: socket.socket, start: bytes, data: bytes) -> None:
    sent = client.sendmsg([start, data])
    if sent < len(start):
        client.sendall(start[sent:])
        sent = len(start)
    if sent < len(start) + len(data):
        client.sendall(memoryview(data)[sent - len(start) :])
