"""The caller's side of a running container: signals and input in, the exit code out, the terminal always given back.

Input is moved here and not by the monitor, because here is the process that the shell knows: in the background the
kernel keeps it from the terminal (SIGTTIN, SIGTTOU), and when it is killed nobody goes on reading what is typed.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from typing import Any

from minidock.engine import launch, recovery
from minidock.engine.paths import Paths
from minidock.engine.records import Record
from minidock.engine.streams import Events, Flow, wait
from minidock.errors import EXIT_ENGINE, MinidockError
from minidock.linux import terminal
from minidock.runtime.channel import Channel

# Not passed on: what cannot be caught, what means this process and not the container's, and faults of its own.
_KEPT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGTTIN, signal.SIGTTOU,
         signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}  # fmt: skip
FORWARDED = signal.valid_signals() - _KEPT


def run(paths: Paths, create: Callable[[], tuple[Record, int]], warn: Callable[[str], None]) -> int:
    """Have a container created, give it to a monitor, stay until it ends, and return its exit code.

    Signals are blocked until the container has changed hands: none interrupts its making half-way, none can fall
    between this process and the monitor. Raises `MinidockError` with what could not be done.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        client = Client(launch.monitor(), warn)
        record, lock = create()
        client.send("assign", fd=lock, root=paths.root, id=record.id, cache=paths.cache)
        os.close(lock)
        for number in FORWARDED:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup(1) and the like mean it
                signal.signal(number, client.on_signal)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    try:
        return client.follow(interactive=record.data["options"]["interactive"])
    finally:
        client.give_terminal_back()
        if client.trouble:
            recovery.take_over(record)


class Client:
    """One end of the conversation that `monitor.py` describes. `trouble`: the monitor may have left something."""

    def __init__(
        self,
        channel: Channel,
        warn: Callable[[str], None],
        lost: str = "the container's monitor was killed, and the container with it",
    ) -> None:
        self.channel = channel
        self.warn = warn
        self.lost = lost
        self.trouble = True
        self.started = False
        self._entrance: int | None = None  # where the container's input goes
        self._input: Flow | None = None
        self._is_console = False
        self._mode: list[Any] | None = None

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Tell the monitor something. If it is gone, `follow` is about to be told."""
        try:
            self.channel.send(kind, fd, **content)
        except (BrokenPipeError, ConnectionResetError):
            return

    def on_signal(self, number: int, _: object) -> None:
        """A signal for the container; a new window size is no signal for it but one for its terminal."""
        if number == signal.SIGWINCH and self._is_console:
            self._copy_window_size()
        else:
            self.send("signal", number=number)

    def follow(self, *, interactive: bool, detach: bool = False) -> int:
        """Do what the monitor says and move input, until the exit code comes; `detach`: until the program runs."""
        channel = self.channel.end.fileno()
        while True:
            wanted: Events = {channel: select.POLLIN}
            if self._input:
                wanted |= self._input.wants()
            ready = wait(wanted)
            if self._input:
                self._input.serve(ready)
                if self._input.over:
                    self._close_entrance()
            if channel in ready:
                exit_code = self._hear(interactive=interactive)
                if exit_code is not None:
                    return exit_code
                if detach and self.started:
                    return 0

    def give_terminal_back(self) -> None:
        """Into the mode in which it was found; what was typed and not read stays for whoever reads next."""
        if self._mode:
            # In the background, where somebody may have put us meanwhile, this would otherwise stop us.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            terminal.restore(0, self._mode)
            self._mode = None

    def _hear(self, *, interactive: bool) -> int | None:
        """One message of the monitor; the container's exit code, if it is that."""
        message, fd = self.channel.receive()
        if message is None:
            raise MinidockError(self.lost, exit_code=EXIT_ENGINE)
        kind = message["type"]
        if kind == "ready":
            self._entrance, self._is_console = fd, message["console"]
            if self._is_console and interactive and os.isatty(0):
                self._mode = terminal.make_raw(0)
            self.send("start")
        elif kind == "started":
            self._begin(interactive=interactive, warnings=message["warnings"])
        elif kind == "warning":
            self.warn(message["line"])
        elif kind == "hangup":
            self._close_entrance()
        elif kind == "failed":
            raise MinidockError(message["message"], exit_code=message["exit_code"])
        elif kind == "exit":
            self.trouble = not message["undone"]
            return int(message["code"])
        return None

    def _begin(self, *, interactive: bool, warnings: list[str]) -> None:
        """The program runs: what is typed is for it. Not earlier, or one that cannot be run would swallow input."""
        self.started = True
        for line in warnings:
            self.warn(line)
        if self._is_console:
            self._copy_window_size()
        if interactive and self._entrance is not None:
            os.set_blocking(self._entrance, False)
            self._input = Flow(0, self._entrance)

    def _close_entrance(self) -> None:
        """The end of the input is the container's too; of a terminal's input, the end is that it was hung up."""
        self._input, self._is_console = None, False
        if self._entrance is not None:
            os.close(self._entrance)
            self._entrance = None

    def _copy_window_size(self) -> None:
        """The container's terminal is as large as ours, if one of 0, 1 and 2 is a terminal."""
        try:
            ours = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
            if ours is not None and self._entrance is not None:
                terminal.set_window_size(self._entrance, *terminal.window_size(ours))
        except OSError:  # one of the two was hung up just now
            return
