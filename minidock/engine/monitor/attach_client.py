"""Attach a command to a container: pass on its signals and input, return the exit code, give the terminal back.

Input is copied here and not by the monitor, because this process is the shell's job: in the background the kernel stops
it when it uses the terminal (SIGTTIN, SIGTTOU), and when it is killed no other process goes on reading typed input.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

from minidock.engine.container import recovery
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.monitor import spawn
from minidock.engine.monitor.monitor_channel import visit
from minidock.engine.monitor.monitor_client import FORWARDED, Attachment, Client, Detached, Warn
from minidock.engine.monitor.streams import unshared
from minidock.engine.state_paths import Paths
from minidock.errors import ConflictError
from minidock.runtime.channel import Channel


def run(paths: Paths, take: Callable[[], tuple[Record, int]], attachment: Attachment, warn: Warn) -> tuple[Record, int]:
    """Hand a container to a monitor, which starts it, and stay while this command is attached.

    `take` creates or finds the container and returns it with its lock. Signals are blocked until the monitor has it:
    none interrupts its creation, none is lost between this process and the monitor. Returns the container, and its exit
    code; or 0, once it runs and nothing is attached, or no more. Raises `MinidockError`.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        client = Client(spawn.take_channel(), attachment, warn)
        record, lock = take()
        client.send("assign", fd=lock, root=paths.root, id=record.id, cache=paths.cache, attached=attachment.streams)
        os.close(lock)
        client.resized = partial(_tell_of_size, record)
        client.catch_signals()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    if attachment.streams:
        event_log.emit_container(paths.root, "attach", record.data)
    try:
        return record, client.follow()
    except Detached:
        event_log.emit_container(paths.root, "detach", record.data)
        return record, 0
    finally:
        client.close()
        if client.trouble:
            recovery.clean_up_after_monitor(record)


def attach(record: Record, attachment: Attachment, warn: Warn) -> int:
    """Attach to a running container until it ends, and return its exit code. Raises `Detached`."""
    channel = visit(record)
    if channel is None:
        raise ConflictError("You cannot attach to a stopped container, start it first")
    return join(record, channel, attachment, warn)


def join(record: Record, channel: Channel, attachment: Attachment, warn: Warn) -> int:
    """As `attach`, over a channel that exists already."""
    client = Client(channel, attachment, warn)
    client.resized = partial(_tell_of_size, record)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        if name in attachment.streams:
            copy = unshared(fd)
            client.send("send-output", fd=copy, stream=name, lossless=attachment.lifeline >= 0)
            os.close(copy)
    if attachment.stdin and os.isatty(0):
        client.send("restore-terminal", fd=0)
    client.send("attach", input=attachment.stdin)
    client.catch_signals()
    client.begin()
    event_log.emit_container(record.root, "attach", record.data)
    try:
        return client.follow()
    except Detached:
        event_log.emit_container(record.root, "detach", record.data)
        raise
    finally:
        client.close()


def _tell_of_size(record: Record, rows: int, columns: int) -> None:
    event_log.emit_container(record.root, "resize", record.data, height=rows, width=columns)
