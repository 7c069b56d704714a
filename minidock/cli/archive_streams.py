"""Archives on standard input and output, or in files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

from minidock import state
from minidock.errors import NotFoundError, UsageError


def refuse_terminal(output: str | None) -> None:
    """An archive on a terminal helps nobody."""
    if not output and sys.stdout.isatty():
        raise UsageError("cowardly refusing to save to a terminal: use -o FILE, or redirect")


def deliver(archive: Iterator[bytes], output: str | None) -> None:
    """Write an archive to the file `output`, which gets its name when it is complete, or to standard output."""
    if not output:
        for piece in archive:
            sys.stdout.buffer.write(piece)
        return
    # A pipe or a device is written to as it is.
    is_special = os.path.exists(output) and not stat.S_ISREG(os.stat(output).st_mode)
    directory, name = os.path.split(output)
    try:
        if not is_special:
            state.sweep(directory or ".", of=name)
        with open(output, "wb") if is_special else state.replacing(output, durable=False, mode=0o666) as file:
            file.writelines(archive)
    except FileNotFoundError:
        raise NotFoundError(f"no such directory: {directory or '.'}") from None


def standard_input() -> Any:
    """Standard input, bare: a thread that waits in a buffered read would keep the interpreter from ending."""
    return open(0, "rb", buffering=0, closefd=False)
