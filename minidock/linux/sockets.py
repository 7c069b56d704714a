"""Unix sockets with a name in the file system (unix(7)): where one process waits for others that it does not know.

SOCK_SEQPACKET keeps the bounds of messages, as datagrams do, and tells of the other side's end, as streams do.
"""

from __future__ import annotations

import os
import socket

from minidock.observe import announced

_BACKLOG = 128


def listen(path: str) -> socket.socket:
    """A socket, not blocking, that others can `connect` to under the name `path`, which must be free."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.setblocking(False)
        announced("bind", (listener.fileno(), path), lambda: listener.bind(path))
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: str) -> socket.socket:
    """Connect to whoever listens under the name `path`.

    Raises `FileNotFoundError` or `ConnectionRefusedError` if nobody does (any more).
    """
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        announced("connect", (end.fileno(), path), lambda: end.connect(path))
    except BaseException:
        end.close()
        raise
    return end
