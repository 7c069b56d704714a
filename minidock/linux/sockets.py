"""Unix sockets with a path (unix(7)), on which a process accepts connections from others.

SOCK_SEQPACKET keeps messages apart, as datagrams do, and reports the other side's end, as streams do.
"""

from __future__ import annotations

import os
import socket

from minidock.observe import announced

_BACKLOG = 128


def listen(path: str) -> socket.socket:
    """A non-blocking socket that listens at `path`, which must not exist."""
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
    """Connect to the process that listens at `path`.

    Raises `FileNotFoundError` or `ConnectionRefusedError` if none does.
    """
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        announced("connect", (end.fileno(), path), lambda: end.connect(path))
    except BaseException:
        end.close()
        raise
    return end
