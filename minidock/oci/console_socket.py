"""Send a container's terminal to the process that listens on --console-socket."""

from __future__ import annotations

import os
import socket
from typing import Any

from minidock.errors import HostError, UsageError


def check(flags: dict[str, Any], *, terminal: bool, detach: bool) -> None:
    """Refuse a terminal without a process to hold it, and a socket without a terminal."""
    path = flags.get("console-socket")
    if detach and terminal and not path:
        raise UsageError("cannot allocate tty if the runtime will detach without setting console socket")
    if path and not (detach and terminal):
        raise UsageError("cannot use console socket if the runtime will not detach or allocate tty")


def send(path: str, master: int) -> None:
    """Send the terminal's master end; the message is the name that it has, for logs."""
    _send(path, "console", b"/dev/ptmx", master)
    os.close(master)


def send_pidfd(path: str, pidfd: int) -> None:
    """The same for a process's pidfd (--pidfd-socket)."""
    _send(path, "pidfd", b"pidfd", pidfd)


def _send(path: str, what: str, text: bytes, fd: int) -> None:
    with _connect(path, what) as end:
        socket.send_fds(end, [text], [fd])


def _connect(path: str, what: str) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.connect(path)
    except OSError as error:
        end.close()
        raise HostError(
            f"the {what} socket {path}: {os.strerror(error.errno or 0) if error.errno else error}"
        ) from error
    return end
