"""TLS for clients that come over TCP: both sides prove who they are, or nobody is served (docker: "Protect the Docker
daemon socket").

A process of its own speaks TLS with the client and plain bytes with the connection's process, which then is as any
other: its descriptor can be handed to a container's monitor. Nothing here waits for one side while the other has
something.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from contextlib import suppress

from minidock.errors import UsageError

_CHUNK = 1 << 16
_HANDSHAKE = 30.0  # seconds


def context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """What the server proves itself with, and who may vouch for clients. Raises `UsageError` for a bad file."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.verify_mode = ssl.CERT_REQUIRED
    try:
        found.load_cert_chain(certificate, key)
        found.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        names = f"{authority}, {certificate}, {key}"
        raise UsageError(f"TLS: one of {names} cannot be used: {error.strerror or error}") from error
    return found


def unwrapped(client: socket.socket, settings: ssl.SSLContext) -> socket.socket:
    """The connection as a stream of plain bytes, both ways; it ends at once if the client cannot prove who it is."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        try:
            ours.close()
            client.settimeout(_HANDSHAKE)
            with suppress(OSError):
                _relay(settings.wrap_socket(client, server_side=True), theirs)
        finally:
            os._exit(0)
    theirs.close()
    client.close()
    return ours


class _Way:
    """Bytes on their way from one side to the other. `rest`: read, and not yet taken."""

    def __init__(self) -> None:
        self.rest = b""
        self.is_over = False


def _relay(client: ssl.SSLSocket, plain: socket.socket) -> None:
    client.setblocking(False)
    plain.setblocking(False)
    inwards, outwards = _Way(), _Way()
    while not outwards.is_over or outwards.rest:
        wanted = select.poll()
        reads = select.POLLIN if not inwards.rest and not inwards.is_over else 0
        wanted.register(client, reads | (select.POLLOUT if outwards.rest else 0))
        reads = select.POLLIN if not outwards.rest and not outwards.is_over else 0
        wanted.register(plain, reads | (select.POLLOUT if inwards.rest else 0))
        wanted.poll(0 if client.pending() and not inwards.rest else None)
        _read(client, inwards)
        _write(plain, inwards)
        if inwards.is_over and not inwards.rest:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_WR)
        _read(plain, outwards)
        _write(client, outwards)
    client.setblocking(True)
    with suppress(OSError):
        client.unwrap()


def _read(end: socket.socket, way: _Way) -> None:
    if way.rest or way.is_over:
        return
    try:
        way.rest = end.recv(_CHUNK)
        way.is_over = not way.rest
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return


def _write(end: socket.socket, way: _Way) -> None:
    try:
        while way.rest:
            way.rest = way.rest[end.send(way.rest) :]
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return
