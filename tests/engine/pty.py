"""A terminal with somebody before it: what a person at a keyboard does, and sees."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from typing import Any


class Terminal:
    """A pseudo-terminal and the program that runs on it, as leader of a session whose terminal it is."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], *, rows: int = 24, columns: int = 80
    ) -> None:
        self.master, slave = os.openpty()
        self.slave = slave
        self.seen = b""  # all that was ever shown
        self._read = 0  # how much of it was looked at
        self.resize(rows, columns)
        self.before = self.mode()
        # setsid -c makes standard input the new session's terminal.
        self.process = subprocess.Popen(["setsid", "-c", *command], stdin=slave, stdout=slave, stderr=slave,
                                        env=environment)  # fmt: skip

    def resize(self, rows: int, columns: int) -> None:
        """What a window manager does. The kernel sends SIGWINCH to the foreground processes."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def mode(self) -> list[Any]:
        """The terminal's mode (termios(3))."""
        return termios.tcgetattr(self.slave)

    @property
    def is_raw(self) -> bool:
        """Whether what is typed goes through byte by byte."""
        return not self.mode()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def type(self, text: str | bytes) -> None:
        """Press keys."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.master, data[:512]) :]

    def expect(self, pattern: str, timeout: float = 60.0) -> str:
        """Read until `pattern` (a regular expression) is shown after what was matched before; returns the match."""
        deadline = time.monotonic() + timeout
        while not (match := re.compile(pattern.encode(), re.DOTALL).search(self.seen, self._read)):
            self._look(deadline, pattern)
        self._read = match.end()
        return match.group().decode(errors="replace")

    def rest(self, timeout: float = 60.0) -> bytes:
        """All that is shown until the program has ended and the terminal is quiet, unmatched so far."""
        self.process.wait(timeout)
        while select.select([self.master], [], [], 0.05)[0]:
            self.seen += os.read(self.master, 1 << 16)
        result = self.seen[self._read :]
        self._read = len(self.seen)
        return result

    def wait(self, timeout: float = 60.0) -> int:
        """The program's exit code, once it has ended. Somebody must read what it shows meanwhile."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            self._look(deadline, "the end")
        return self.process.returncode

    def _look(self, deadline: float, awaited: str) -> None:
        left = deadline - time.monotonic()
        assert left > 0, f"not shown: {awaited!r}; but: {self.seen[self._read :]!r}"
        if select.select([self.master], [], [], min(left, 0.05))[0]:
            self.seen += os.read(self.master, 1 << 16)

    def hang_up(self) -> None:
        """Close the window."""
        for fd in (self.slave, self.master):
            if fd >= 0:
                os.close(fd)
        self.slave = self.master = -1

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hang_up()
