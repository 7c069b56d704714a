"""Set the size of a running container's terminal, without being attached to it (docker's resize)."""

from __future__ import annotations

import os
from contextlib import suppress

from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.monitor.monitor_channel import visit
from minidock.errors import ConflictError
from minidock.linux import terminal
from minidock.observe import step


def set_size(record: Record, rows: int, columns: int) -> None:
    """Make the terminal `rows` by `columns`. A container without one is left alone. Raises `ConflictError`."""
    channel = visit(record)
    if channel is None:
        raise ConflictError(f"cannot resize a stopped container: Container {record.id} is not running")
    try:
        channel.send("attach", input=False)
        while True:
            message, console = channel.receive()
            if message is None or message["type"] in ("exit", "failed"):
                raise ConflictError(f"cannot resize a stopped container: Container {record.id} is not running")
            if message["type"] == "ready":
                break
    except (BrokenPipeError, ConnectionResetError):
        raise ConflictError(f"cannot resize a stopped container: Container {record.id} is not running") from None
    finally:
        channel.close()
    if console is None:
        return
    with step("Pass on the window size", book="4.4"), suppress(OSError):  # it was hung up just now
        terminal.set_window_size(console, rows, columns)
    os.close(console)
    event_log.emit_container(record.root, "resize", record.data, height=rows, width=columns)
