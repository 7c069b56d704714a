"""DNS messages on their way: as large as may be by UDP, and one after the other on a connection (RFC 1035, 4.2)."""

from __future__ import annotations

import socket
import struct
from typing import Any


def packed(answer: Any, room: int) -> bytes:
    """The message, with as many of its rows, which are all of one size, as there is room for.

    If that is not all, it says so (TC), and who asks for the rest by TCP. It keeps its question, by which the C library
    knows that it is an answer to its own.
    """
    data: bytes = answer.pack()
    if len(data) > room:
        rows, answer.rr, answer.header.tc = answer.rr, [], 1
        bare = len(answer.pack())
        answer.rr = rows[: (room - bare) * len(rows) // (len(data) - bare)]
        data = answer.pack()
    return data


def read(connection: socket.socket) -> bytes:
    """One message with its length before it; empty at the end. Raises `OSError`."""
    head = _exactly(connection, 2)
    return _exactly(connection, struct.unpack("!H", head)[0]) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(size - len(data))):
        data += part
    return data if len(data) == size else b""
