"""Where a build's files are: a directory, or a tar archive on standard input, of any compression.

Reference, "docker build", "Build context". A Dockerfile alone on standard input is a build without files.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from minidock.build import add
from minidock.errors import UsageError
from minidock.image import compression
from minidock.image.workspace import Workspace

_REMOTE = re.compile(r"(https?|git|ssh)://|git@|github\.com/")


class Context(NamedTuple):
    """`directory`: None where there are no files; `typed`: a Dockerfile from standard input, None if it is a file."""

    directory: str | None
    typed: bytes | None


@contextmanager
def opened(root: str, wanted: str, file: str) -> Iterator[Context]:
    """The context that PATH and -f name, for as long as it is needed. Raises `MinidockError`."""
    if _REMOTE.match(wanted):
        raise UsageError(
            f"unable to prepare context: {wanted} is remote, and is not fetched: clone it, and name the directory"
        )
    if wanted != "-":
        yield Context(wanted, sys.stdin.buffer.read() if file == "-" else None)
        return
    if file == "-":
        raise UsageError("invalid argument: can't use stdin for both build context and dockerfile")
    start = sys.stdin.buffer.read(512)
    if not (compression.detect(start) or start[257:262] == b"ustar"):
        if file:
            raise UsageError("with a Dockerfile on standard input as the whole context, -f has nothing to name")
        yield Context(None, start + sys.stdin.buffer.read())
        return
    with Workspace(root) as workspace:
        place = add.new_directory(workspace.path, "context")
        if not add.extract(_Rest(start), place):
            raise UsageError("unable to prepare context: standard input is no tar archive, or one that is damaged")
        yield Context(place, None)


class _Rest(io.RawIOBase):
    """Standard input, with what was read of it to see what it is."""

    def __init__(self, start: bytes) -> None:
        self._start = start

    def read(self, size: int = -1, /) -> bytes:
        data, self._start = self._start, b""
        return data or sys.stdin.buffer.read(size)
