"""Report the new process to the caller: its pid in a file, its pidfd over a socket."""

from __future__ import annotations

from typing import Any

from minidock import state
from minidock.oci import console_socket


def write_pid(flags: dict[str, Any], pid: int) -> None:
    """--pid-file, written atomically: a process that waits for it reads it at once."""
    if path := flags.get("pid-file"):
        state.write_text(path, str(pid), durable=False)


def send_pidfd(flags: dict[str, Any], pidfd: int) -> None:
    """--pidfd-socket."""
    if path := flags.get("pidfd-socket"):
        console_socket.send_pidfd(path, pidfd)
