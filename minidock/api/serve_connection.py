"""The life of one connection, in a process of its own: requests in, answers out, until one of the two ends it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import h11

from minidock.api import routing
from minidock.api.call import Call
from minidock.api.connection import Connection
from minidock.api.http_errors import ClientGone
from minidock.engine.state_paths import Paths


def serve(paths: Paths, end: socket.socket, *, is_local: bool) -> None:
    """Answer what comes over the connection `end`. `is_local`: over a socket of this machine's, not from anywhere."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1):  # what a command has there; standard error stays, for defects of ours
        os.dup2(null, fd)
    os.close(null)
    os.umask(0o022)
    os.chdir("/")
    connection = Connection(paths, end, is_local=is_local)
    try:
        while _answer_next(connection):
            continue
    except ClientGone:
        return
    finally:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _answer_next(connection: Connection) -> bool:
    """Answer one request; False if the connection is over."""
    request = connection.next_request()
    if request is None:
        return False
    call = Call(connection, request)
    try:
        routing.answer(call)
    except (BrokenPipeError, ConnectionResetError):
        return False
    except h11.RemoteProtocolError as error:  # the body was none
        connection.refuse(error)
        return False
    if call.is_hijacked:
        connection.discard_input()
        return False
    return connection.ready_for_more()
