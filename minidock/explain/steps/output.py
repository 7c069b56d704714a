"""Where the explanation is written: the command's standard error, or a file."""

from __future__ import annotations

import os
import sys
import termios

_OPOST = 1  # the index of c_oflag in what tcgetattr(3) returns


class Output:
    """Text to `file`, or to standard error. `coloured` if that is a terminal (https://no-color.org)."""

    def __init__(self, file: str) -> None:
        self.fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC) if file else 2
        self.is_terminal = os.isatty(self.fd)
        self.coloured = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        if not file:
            sys.stderr.flush()

    def write(self, text: str) -> None:
        """All of `text`. While a container has the terminal in raw mode, a line's end there begins no new line."""
        if self.is_terminal and not self._makes_newlines():
            text = text.replace("\n", "\r\n")
        data = text.encode(errors="surrogateescape")
        while data:
            data = data[os.write(self.fd, data) :]

    def _makes_newlines(self) -> bool:
        try:
            return bool(termios.tcgetattr(self.fd)[_OPOST] & termios.OPOST)
        except termios.error:
            return True
