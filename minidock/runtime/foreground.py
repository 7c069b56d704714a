"""Run in the foreground: forward signals and copy the terminal's bytes while a container's program runs."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

from minidock.linux import terminal
from minidock.runtime.lifecycle import CreatedProcess

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def attend(created: CreatedProcess, start: Callable[[], None]) -> None:
    """Call `start`, and forward signals and bytes until the program has ended or its terminal was hung up."""
    for number in _PASSED_ON:
        signal.signal(number, lambda received, _: created.signal(received))
    mode = terminal.make_raw(0) if created.console is not None and os.isatty(0) else None
    try:
        if created.console is not None and mode:
            terminal.set_window_size(created.console, *terminal.window_size(0))
            signal.signal(signal.SIGWINCH, lambda *_: _resize(created))
        start()
        if created.console is not None:
            _carry(created.console, created.pidfd)
        else:
            select.select([created.pidfd], [], [])
    finally:
        if mode:
            terminal.restore(0, mode)


def _resize(created: CreatedProcess) -> None:
    if created.console is not None:
        terminal.set_window_size(created.console, *terminal.window_size(0))


def _carry(console: int, pidfd: int) -> None:
    """Copy typed input to the terminal's master end, and its output from there, until the program has ended."""
    sources = {0, console, pidfd}
    while True:
        ready = select.select(sources, [], [])[0]
        if console in ready:
            try:
                os.write(1, os.read(console, 65536))
            except OSError:  # EIO: no process has the other end open at this moment
                if select.select([pidfd], [], [], 0.05)[0]:
                    return
        elif pidfd in ready:
            return
        elif 0 in ready:
            if typed := os.read(0, 65536):
                os.write(console, typed)
            else:
                sources.discard(0)
