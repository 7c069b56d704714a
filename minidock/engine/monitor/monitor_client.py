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
    """Which of a command's own streams are a container's. `keys`: what is typed to leave it; `proxy`: signals go in.

    `lifeline`: a socket whose other end is the user's: when that is closed, the user has gone, and sees to the size of
    the terminal itself. -1: the streams are the user's own.
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
    """A user has typed Ctrl-C often enough: what was attached goes on without us."""

    def __init__(self) -> None:
        super().__init__(f"got {_MOST_INTERRUPTS} SIGTERM/SIGINTs, forcefully exiting", exit_code=1)


class Left(MinidockError):
    """Whoever was attached has gone without a word: what was attached goes on."""

    def __init__(self) -> None:
        super().__init__("the client is gone")


class Detached(MinidockError):
    """A user has left by the detach keys: what was attached goes on."""

    def __init__(self) -> None:
        super().__init__("read escape sequence")


class Client:
    """One end of the conversation that `monitor.py` and `attach_server.py` describe.

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
        self.resized: Callable[[int, int], None] = lambda rows, columns: None  # told of each size that is passed on
        self._has_begun = False
        self._interrupts = 0
        self._input_fd: int | None = None  # where the container's input goes
        self._input: Flow | None = None
        self._is_console = False
        self._mode: list[Any] | None = None

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Tell the monitor something. If it is gone, `follow` is about to be told."""
        try:
            self.channel.send(kind, fd, **content)
        except (BrokenPipeError, ConnectionResetError):
            return

    def catch_signals(self) -> None:
        """From here on they are for the container, unless whoever started us has them ignored (nohup(1)).

        Without `proxy`, they are for us alone. Until a detached container runs, they end its start.
        """
        for number in FORWARDED if self.attachment.proxy or not self.attachment.streams else {signal.SIGWINCH}:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.on_signal)

    def begin(self) -> None:
        """The program runs: what is typed is for it. Not earlier, or one that cannot be run would swallow input."""
        self._has_begun = True
        self._connect_input()

    def follow(self) -> int:
        """Do what the monitor says and move input, until the container's exit code comes."""
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
        """Give the terminal back in the mode in which it was found; what was typed and not read stays for others.

        The monitor learns that we are gone, whatever else this process does and whatever it forks.
        """
        if self._mode:
            # In the background, where somebody may have put us meanwhile, this would otherwise stop us.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            terminal.restore(0, self._mode)
            self._mode = None
        self.channel.close()

    def _hear(self) -> int | None:
        """One message of the monitor; what to end with, if it was the last."""
        message, fd = self.channel.receive()
        if message is None:
            raise MinidockError(self.lost, exit_code=EXIT_ENGINE)
        kind = message["type"]
        if kind == "ready":
            self._prepare(fd, is_console=message["console"])
        elif kind == "started":
            for line in message["warnings"]:
                self.warn(line)
            if self._is_console:  # what was typed ahead is for the shell, if the program ends in the next moment
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
            # Who attaches later sees what is there only if the program draws it again, as it does at a new size.
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
        """What we give has ended: by the keys that leave the container, or by the end of our own input."""
        assert self._input
        detached = self._input.detached
        # In raw mode no key ends the input: the terminal is gone, and with it whoever would see more of the output.
        hung_up = self._mode is not None and not os.isatty(0)
        self._close_input()
        if not detached:
            self.send("close-input")
        if detached or hung_up or self.attachment.streams == ["stdin"]:
            self.send("detach")

    def _close_input(self) -> None:
        """The end of the input is the container's too; of a terminal's input, the end is that it was hung up."""
        self._input, self._is_console = None, False
        if self._input_fd is not None:
            os.close(self._input_fd)
            self._input_fd = None

    def on_signal(self, number: int, _: object) -> None:
        """A signal for the container; a new window size is no signal for it but one for its terminal."""
        if number == signal.SIGWINCH and self._is_console:
            self._copy_window_size()
        else:
            self.send("signal", number=number)
            if number in (signal.SIGINT, signal.SIGTERM):
                self._count_interrupt()

    def _count_interrupt(self) -> None:
        """A container may ignore what ends other programs: nobody has to look for another terminal because of that."""
        self._interrupts += 1
        if self._interrupts == _MOST_INTERRUPTS - 1 and os.isatty(2):
            self.warn("the container goes on; Ctrl-C once more leaves it running (minidock kill ends it)")
        elif self._interrupts == _MOST_INTERRUPTS:
            self.trouble = False
            raise Abandoned

    def _copy_window_size(self) -> None:
        """The container's terminal is as large as ours, if one of 0, 1 and 2 is a terminal."""
        try:
            ours = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
            if ours is not None and self._input_fd is not None:
                size = terminal.window_size(ours)
                with step("Pass on the window size", book="4.4"):
                    terminal.set_window_size(self._input_fd, *size)
                self.resized(*size)
        except OSError:  # one of the two was hung up just now
            return
