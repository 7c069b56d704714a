"""The interface of a style of `--explain`: `full`, `brief`, `json`, `step` and `shell` are classes of this form."""

from __future__ import annotations

import socket
from typing import Protocol

from minidock.explain.trace.blocks import Event


class Style(Protocol):
    """Writes the events of a command. They come in the order in which they are to be written (`event_order.py`)."""

    def take(self, event: Event, reply: socket.socket | None) -> None:
        """Take one event. If its sender waits, an answer on `reply` lets it go on (`trace_socket.GO`, `QUIT`)."""

    def flush(self) -> None:
        """Write what is known so far: the next events may come much later."""

    def finish(self) -> None:
        """Write what is left: no more events will come."""
