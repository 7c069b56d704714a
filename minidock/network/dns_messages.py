"""DNS messages: fitted into a UDP datagram, and read one after the other from a TCP connection (RFC 1035, 4.2)."""

from __future__ import annotations

import socket
import struct
from typing import Any


def packed(answer: Any, room: int) -> bytes:
    """The message as bytes, with as many of its records, which are all of one size, as fit into `room` bytes.

    If some do not fit, it has the flag TC, and the client asks again by TCP. It keeps the question, by which the C
    library recognizes an answer to its own.
    """
    data: bytes = answer.pack()
    if len(data) > room:
        rows, answer.rr, answer.header.tc = answer.rr, [], 1
        bare = len(answer.pack())
        answer.rr = rows[: (room - bare) * len(rows) // (len(data) - bare)]
        data = answer.pack()
    return data


def read(connection: socket.socket) -> bytes:
    """One message, after its length in two bytes; empty at the end. Raises `OSError`."""
    head = _exactly(connection, 2)
    return _exactly(connection, struct.unpack("!H", head)[0]) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(size - len(data))):
        data += part
    return data if len(data) == size else b""
