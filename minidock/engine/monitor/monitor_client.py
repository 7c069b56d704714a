"""The client of a monitor or of an exec monitor: messages, input, signals and the terminal of a command."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from typing import Any

from minidock.engine.monitor.detach_keys import DetachKeys
from minidock.engine.monitor.streams import BROKEN, Events, Flow, poll
from minidock.errors import EXIT_ENGINE, ClientError, MinidockError
from minidock.linux import terminal
from minidock.named_tuple import NamedTuple
from minidock.observe import step
from minidock.runtime.channel import Channel

# Not passed on: what cannot be caught, what means this process and not the container's, and faults of its own.
_KEPT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGTTIN, signal.SIGTTOU,
         signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}  # fmt: skip
_A_MOMENT = 0.03  # seconds
_MOST_INTERRUPTS = 3  # as in docker's client
FORWARDED = signal.valid_signals() - _KEPT


class Attachment(NamedTuple):
    """Which of a command's streams are the container's. `keys`: typed to detach; `proxy`: signals are forwarded.

    `lifeline`: a socket to the user's client: when the other end is closed, the user has left. Such a client sets the
    terminal's size itself. -1: the streams are the user's own.
    """

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    keys: bytes = b""
    proxy: bool = True
    lifeline: int = -1

    @property
    def streams(self) -> list[str]:
        """Their names; none at all is "detached"."""
        return [name for name in ("stdin", "stdout", "stderr") if getattr(self, name)]


DETACHED = Attachment()
Warn = Callable[[str], None]


class Abandoned(MinidockError):
    """The user has typed Ctrl-C three times: the container goes on without this command."""

    def __init__(self) -> None:
        super().__init__(f"got {_MOST_INTERRUPTS} SIGTERM/SIGINTs, forcefully exiting", exit_code=1)


class Left(MinidockError):
    """The attached client has closed its connection: the container goes on."""

    def __init__(self) -> None:
        super().__init__("the client is gone")


class Detached(MinidockError):
    """The user has typed the detach keys: the container goes on."""

    def __init__(self) -> None:
        super().__init__("read escape sequence")


class Client:
    """The client's end of the channel that `monitor.py` and `attach_server.py` describe.

    `trouble`: the monitor may have left something.
    """

    def __init__(
        self,
        channel: Channel,
        attachment: Attachment,
        warn: Warn,
        lost: str = "the container's monitor was killed, and the container with it",
    ) -> None:
        self.channel = channel
        self.attachment = attachment
        self.warn = warn
        self.lost = lost
        self.trouble = True
        self.resized: Callable[[int, int], None] = lambda rows, columns: None  # called with each size that is passed on
        self._has_begun = False
        self._interrupts = 0
        self._input_fd: int | None = None  # where the container's input goes
        self._input: Flow | None = None
        self._is_console = False
        self._mode: list[Any] | None = None

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send the monitor a message. If it is gone, `follow` finds the end of the channel."""
        try:
            self.channel.send(kind, fd, **content)
        except (BrokenPipeError, ConnectionResetError):
            return

    def catch_signals(self) -> None:
        """Forward signals to the container from here on, but for those that are ignored already (nohup(1)).

        Without `proxy`, they are for this command alone. Until a detached container runs, they end its start.
        """
        for number in FORWARDED if self.attachment.proxy or not self.attachment.streams else {signal.SIGWINCH}:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.on_signal)

    def begin(self) -> None:
        """The program runs: typed input is for it. Not earlier, or a program that cannot be run would take input."""
        self._has_begun = True
        self._connect_input()

    def follow(self) -> int:
        """Handle the monitor's messages and copy input, until the container's exit code comes."""
        channel = self.channel.end.fileno()
        while True:
            wanted: Events = {channel: select.POLLIN}
            if self.attachment.lifeline >= 0:
                wanted[self.attachment.lifeline] = 0
            if self._input:
                wanted |= self._input.wants()
            ready = poll(wanted)
            if ready.get(self.attachment.lifeline, 0) & BROKEN and not self._input:
                raise Left
            if channel in ready:
                exit_code = self._hear()
                if exit_code is not None:
                    return exit_code
            elif self._input:
                self._input.serve(ready)
                if self._input.over:
                    self._end_input()

    def close(self) -> None:
        """Restore the terminal's mode; input that was typed and not read stays for other programs.

        The channel is shut down, so that the monitor sees its end even if a forked process has it open.
        """
        if self._mode:
            # In the background, where a shell may have put this process meanwhile, the call would otherwise stop it
            # (SIGTTOU).
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            terminal.restore(0, self._mode)
            self._mode = None
        self.channel.close()

    def _hear(self) -> int | None:
        """Handle one message of the monitor; returns the exit code, if it was the last."""
        message, fd = self.channel.receive()
        if message is None:
            raise MinidockError(self.lost, exit_code=EXIT_ENGINE)
        kind = message["type"]
        if kind == "ready":
            self._prepare(fd, is_console=message["console"])
        elif kind == "started":
            for line in message["warnings"]:
                self.warn(line)
            if self._is_console:  # what was typed ahead is for the shell, if the program ends at once
                poll({self.channel.end.fileno(): select.POLLIN}, _A_MOMENT)
            self.begin()
            if not self.attachment.streams:
                self.trouble = False
                return 0
        elif kind == "warning":
            self.warn(message["line"])
        elif kind == "input-closed":
            self._close_input()
        elif kind == "failed":
            raise MinidockError(message["message"], exit_code=message["exit_code"])
        elif kind in ("output-broken", "detached"):
            self.trouble = False
            raise Detached if kind == "detached" else ClientError(f"write /dev/{message['stream']}: {message['why']}")
        elif kind == "exit":
            self.trouble = not message["undone"]
            return int(message["code"])
        return None

    def _prepare(self, input_fd: int | None, *, is_console: bool) -> None:
        self._input_fd, self._is_console = input_fd, is_console
        if is_console and input_fd is not None and self._has_begun and self.attachment.lifeline < 0:
            # A client that attaches later sees the screen only if the program draws it again, as programs do at a new
            # size.
            rows, columns = terminal.window_size(input_fd)
            terminal.set_window_size(input_fd, rows + 1, columns)
        if is_console and input_fd is not None and self.attachment.stdin and os.isatty(0):
            self._mode = terminal.make_raw(0)
        self.send("start")
        self._connect_input()

    def _connect_input(self) -> None:
        if self._input_fd is None or not self._has_begun:
            return
        if self._is_console:
            self._copy_window_size()
        if self.attachment.stdin and not self._input:
            os.set_blocking(self._input_fd, False)
            keys = DetachKeys(self.attachment.keys) if self._is_console and self.attachment.keys else None
            self._input = Flow(0, self._input_fd, keys)

    def _end_input(self) -> None:
        """The input has ended: by the detach keys, or by the end of this command's own input."""
        assert self._input
        detached = self._input.detached
        # In raw mode no key ends the input: the terminal was hung up, and nobody sees further output.
        hung_up = self._mode is not None and not os.isatty(0)
        self._close_input()
        if not detached:
            self.send("close-input")
        if detached or hung_up or self.attachment.streams == ["stdin"]:
            self.send("detach")

    def _close_input(self) -> None:
        """End the container's input too; a terminal's input ends by a hang-up."""
        self._input, self._is_console = None, False
        if self._input_fd is not None:
            os.close(self._input_fd)
            self._input_fd = None

    def on_signal(self, number: int, _: object) -> None:
        """Forward a signal to the container; SIGWINCH sets the size of its terminal instead."""
        if number == signal.SIGWINCH and self._is_console:
            self._copy_window_size()
        else:
            self.send("signal", number=number)
            if number in (signal.SIGINT, signal.SIGTERM):
                self._count_interrupt()

    def _count_interrupt(self) -> None:
        """A container may ignore SIGINT: after three in a row this command ends, so that its terminal is free again."""
        self._interrupts += 1
        if self._interrupts == _MOST_INTERRUPTS - 1 and os.isatty(2):
            self.warn("the container goes on; Ctrl-C once more leaves it running (minidock kill ends it)")
        elif self._interrupts == _MOST_INTERRUPTS:
            self.trouble = False
            raise Abandoned

    def _copy_window_size(self) -> None:
        """Give the container's terminal the size of ours, if one of 0, 1 and 2 is a terminal."""
        try:
            ours = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
            if ours is not None and self._input_fd is not None:
                size = terminal.window_size(ours)
                with step("Pass on the window size", book="4.4"):
                    terminal.set_window_size(self._input_fd, *size)
                self.resized(*size)
        except OSError:  # one of the two was hung up just now
            return
