"""The caller's side of a running container: signals in, the exit code out, the terminal always given back."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable
from typing import Any

from minidock.engine import launch, recovery
from minidock.engine.paths import Paths
from minidock.engine.records import Record
from minidock.errors import EXIT_ENGINE, MinidockError
from minidock.linux import terminal
from minidock.runtime.channel import Channel

# Not passed on: what cannot be caught, what means this process and not the container's, and faults of its own.
_KEPT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGTTIN, signal.SIGTTOU,
         signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}  # fmt: skip
FORWARDED = sorted(signal.valid_signals() - _KEPT)


def follow(paths: Paths, record: Record, lock: int, warn: Callable[[str], None]) -> int:
    """Give a created container to a monitor, stay with it until the container ends, and return its exit code.

    Signals are blocked while the container changes hands: none can fall between this process and the monitor. Raises
    `MinidockError` with what the monitor could not do.
    """
    before = _terminal_mode()
    channel = launch.monitor()
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    channel.send("assign", fd=lock, root=paths.root, id=record.id, cache=paths.cache)
    os.close(lock)
    for number in FORWARDED:
        signal.signal(number, lambda number, _: _forward(channel, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    try:
        return _listen(paths.root, channel, warn)
    finally:
        if before:
            terminal.restore(0, before)


def _listen(root: str, channel: Channel, warn: Callable[[str], None]) -> int:
    while True:
        message, _ = channel.receive()
        if message is None:
            recovery.sweep_all(root)
            raise MinidockError("the container's monitor was killed, and the container with it", exit_code=EXIT_ENGINE)
        if message["type"] == "started":
            for line in message["warnings"]:
                warn(line)
        elif message["type"] == "failed":
            raise MinidockError(message["message"], exit_code=message["exit_code"])
        elif message["type"] == "exit":
            return int(message["code"])


def _forward(channel: Channel, number: int) -> None:
    try:
        channel.send("signal", number=number)
    except (BrokenPipeError, ConnectionResetError):
        return  # the monitor is gone, which `_listen` is about to be told


def _terminal_mode() -> list[Any] | None:
    try:
        return termios.tcgetattr(0) if os.isatty(0) else None
    except termios.error:
        return None
