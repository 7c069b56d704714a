"""The output of the trace: the command's standard error, or a file."""

from __future__ import annotations

import os
import termios

_NARROWEST, _UNKNOWN_WIDTH = 40, 110
_OFLAG = 1  # the index of c_oflag in what tcgetattr(3) returns


class Output:
    """Text to `file`, or to standard error. `coloured` if that is a terminal (https://no-color.org)."""

    def __init__(self, file: str) -> None:
        self.fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC) if file else 2
        self.is_terminal = os.isatty(self.fd)
        self.coloured = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = self._columns()
        self.waits_in_raw_mode = (
            False  # a program of the container has the terminal: write nothing while that is in raw mode
        )
        self._held = ""

    def write(self, text: str) -> None:
        """Write all of `text`; in raw mode with a carriage return at each line's end, which the terminal does not add
        then.
        """
        text, self._held = self._held + text, ""
        if self.is_terminal and self._is_raw():
            if self.waits_in_raw_mode:
                self._held = text
                return
            text = text.replace("\n", "\r\n")
        data = text.encode(errors="surrogateescape")
        while data:
            data = data[os.write(self.fd, data) :]

    def finish(self) -> None:
        """Write what was held back."""
        self.width = self._columns()
        self.waits_in_raw_mode = False
        self.write("")

    def _columns(self) -> int:
        try:
            return max(os.get_terminal_size(self.fd).columns, _NARROWEST)
        except OSError:
            return _UNKNOWN_WIDTH

    def _is_raw(self) -> bool:
        try:
            return not termios.tcgetattr(self.fd)[_OFLAG] & termios.OPOST
        except termios.error:  # the terminal was hung up
            return False
