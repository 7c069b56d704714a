r"""Standard output and error where they are terminals: what strangers wrote is shown, and not obeyed.

Names, labels, arguments, an image's configuration and history, a registry's answers and names of files can hold
whatever their makers liked: also sequences that colour a terminal, rename its window, move over what it shows, or have
it answer as if its user had typed. docker and podman print them as they are. Here control characters become visible on
a terminal (`\x1b[31m`), in one place, whatever a command prints. A pipe or a file gets every byte. What a container
itself prints (run, attach, exec, logs) goes its own way, as its terminal is the user's.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TextIO

# All but tab and newline of C0, DEL, C1; what turns the direction of text around (Unicode TR 9); lone surrogates:
# bytes that are no UTF-8 (PEP 383), with which nothing could be printed.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Screen(io.TextIOWrapper):
    """A terminal to print on."""

    def write(self, text: str) -> int:
        """Print `text`; returns how many characters it has."""
        super().write(harmless(text))
        return len(text)


def harmless(text: str) -> str:
    """`text` with what a terminal would obey as it would be written in a program."""
    return _OBEYED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def guard() -> None:
    """From here on, print to standard output and error through a `Screen`, each that is a terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.flush()
            encoding = stream.encoding
            setattr(sys, name, Screen(stream.buffer, encoding, "backslashreplace", line_buffering=True))


def canvas() -> TextIO:
    """Standard output for who draws, and has made harmless what strangers wrote."""
    sys.stdout.flush()
    return sys.__stdout__ or sys.stdout
