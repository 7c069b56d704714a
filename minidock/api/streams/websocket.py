"""Attach by websocket (RFC 6455), for web pages of those who put such a service before the socket.

A process of its own changes messages into bytes and back; behind it, everything is as in a hijacked connection.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from minidock.errors import UsageError

_CHUNK = 1 << 16


def accepted(headers: dict[str, str]) -> bytes:
    """The head of the answer that accepts the handshake. Raises `UsageError` if it is none."""
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or not key:
        raise UsageError("websocket: the request is no handshake: Upgrade, Sec-WebSocket-Key")
    token = generate_accept_token(key.encode("latin-1", "replace")).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {token}"]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def unwrapped(client: socket.socket) -> socket.socket:
    """The connection as a stream of bytes, both ways."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        try:
            ours.close()
            _relay(client, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def _relay(client: socket.socket, plain: socket.socket) -> None:
    connection = Connection(ConnectionType.SERVER)
    poll = select.poll()
    poll.register(client, select.POLLIN)
    poll.register(plain, select.POLLIN)
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            for fd, _ in poll.poll():
                if fd == plain.fileno():
                    data = plain.recv(_CHUNK)
                    if not data:
                        client.sendall(connection.send(CloseConnection(CloseReason.NORMAL_CLOSURE)))
                        return
                    client.sendall(connection.send(BytesMessage(data=data)))
                elif not _take(connection, client, plain):
                    return


def _take(connection: Connection, client: socket.socket, plain: socket.socket) -> bool:
    """Pass on what the client has sent; False if it was the last."""
    data = client.recv(_CHUNK)
    if not data:
        return False
    connection.receive_data(data)
    for event in connection.events():
        if isinstance(event, BytesMessage):
            plain.sendall(event.data)
        elif isinstance(event, TextMessage):
            plain.sendall(event.data.encode())
        elif isinstance(event, Ping):
            client.sendall(connection.send(event.response()))
        elif isinstance(event, CloseConnection):
            client.sendall(connection.send(event.response()))
            return False
    return True
