"""A channel to the monitor of a running container, for commands other than the one that started it.

The monitor listens on a socket below /run (`attach_server.py`). Files there can vanish while containers run: by a mount
over /run, or a careless clean-up. No process can connect to a socket without a name, so the monitor is asked to make a
new one: by SIGURG, which other programs ignore by default (signal(7)).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from minidock import observe
from minidock.engine.container import container_lock, records
from minidock.engine.container.records import RESTARTING, GoneError, Record
from minidock.engine.monitor.daemonize import NAMELESS
from minidock.engine.state_paths import socket_path
from minidock.linux import sockets
from minidock.linux.timeouts import ActivityTimeout
from minidock.observe import step
from minidock.runtime.channel import Channel

_PATIENCE = 10.0  # seconds without activity of the monitor, which may have to load its modules first
_AGAIN = 0.05  # seconds after which to ask again: the signal may have come during an execve
_POLL = 0.005
_NOBODY = (FileNotFoundError, ConnectionRefusedError, BrokenPipeError, ConnectionResetError)


def visit(record: Record) -> Channel | None:
    """A channel to a container's monitor (`attach_server.py`); None if there is no monitor."""
    channel = _connect(record)
    if channel is None and _has_monitor(record):
        with step("Make the monitor's socket again", book="4.7.3"):
            channel = _call(record)
    return channel


def _connect(record: Record) -> Channel | None:
    try:
        channel = Channel(sockets.connect(socket_path(record.id)))
        for socket_lent in observe.sockets_lent():
            channel.send("observe", socket_lent)
    except _NOBODY:
        return None
    return channel


def _has_monitor(record: Record) -> bool:
    """Whether a monitor is alive that should be listening: it holds the container's lock until it is done."""
    try:
        fresh = records.load(record.root, record.id)
        if fresh is None or not (fresh.is_up or fresh.status == RESTARTING):
            return False
        lock = container_lock.take_lock(record.root, record.id)
    except GoneError:
        return False
    if lock is not None:
        os.close(lock)
    return lock is None


def _call(record: Record) -> Channel | None:
    """Ask the monitor for a socket, and wait for it. None if it ends meanwhile, or does not do it."""
    monitor, asked = record.data["state"]["monitor"], 0.0
    patience = ActivityTimeout(_PATIENCE, lambda: [monitor])
    while not patience.is_over and _has_monitor(record):
        if time.monotonic() > asked + _AGAIN:
            with suppress(ProcessLookupError):
                os.kill(monitor, NAMELESS)
            asked = time.monotonic()
        time.sleep(_POLL)
        if channel := _connect(record):
            return channel
    return None
