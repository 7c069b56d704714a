"""The files of a log, `<log>.2`, `<log>.1`, `<log>`, opened as they were at one moment, and the records in them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_CHUNK = 1 << 20
_PATIENCE = 1.0  # seconds

Record = dict[str, Any]  # log, stream, time, and perhaps attrs


class LogFile:
    """An open log file, its size when it was opened, how far it is read, and whether the writer is done with it.

    Raises `FileNotFoundError` where there is none.
    """

    def __init__(self, path: str, *, is_complete: bool = False) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.at = 0
        self.is_complete = is_complete

    def close(self) -> None:
        """Close it: if it was rotated away, its blocks are free then."""
        os.close(self.fd)

    def is_at(self, path: str) -> bool:
        """Whether `path` is a name of this file now. No other file gets its inode as long as it is open."""
        try:
            return os.path.samestat(os.fstat(self.fd), os.stat(path))
        except FileNotFoundError:
            return False

    def is_same(self, other: LogFile) -> bool:
        """Whether both are the same file on disk."""
        return os.path.samestat(os.fstat(self.fd), os.fstat(other.fd))

    def records(self, *, growing: bool = True) -> Iterator[list[Record]]:
        """What was not read before, in blocks, up to the last whole line.

        `growing`: with what is written meanwhile, so that whoever writes faster than this is read never lets it end.
        """
        while True:
            size = _CHUNK if growing else min(_CHUNK, self.size - self.at)
            chunk = os.pread(self.fd, max(0, size), self.at)
            end = chunk.rfind(b"\n") + 1
            if not end:
                return
            self.at += end
            yield _parsed(chunk[: end - 1].split(b"\n"))

    def skip_to_last(self, count: int) -> int:
        """Leave out all but the last `count` records; returns how many of these it does not have."""
        at = self.size
        while at > 0:
            start = max(0, at - _CHUNK)
            chunk = os.pread(self.fd, at - start, start)
            end = len(chunk)
            while (end := chunk.rfind(b"\n", 0, end)) >= 0:
                if count == 0:
                    self.at = start + end + 1
                    return 0
                count -= 1
            at = start
        return count


def open_all(log: str) -> list[LogFile]:
    """All files of a log, the oldest first; none if nothing was ever logged.

    If one was rotated while we opened them, its name is another's now, and we begin again. A writer that was killed
    between rename(2) and open(2) may have left the newest name missing.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        files: list[LogFile] = []
        with suppress(FileNotFoundError):
            files.append(LogFile(log))
        has_newest = bool(files)
        with suppress(FileNotFoundError):
            for number in range(1, 1 << 30):
                files.append(LogFile(f"{log}.{number}"))
        if (has_newest and files[0].is_at(log)) or not files or time.monotonic() > deadline:
            return files[::-1]
        for file in files:
            file.close()


def leave_out(files: list[LogFile], tail: int) -> None:
    """Skip all but the last `tail` records of a log's files."""
    for file in reversed(files):
        tail = file.skip_to_last(tail)


def _parsed(lines: list[bytes]) -> list[Record]:
    """All at once, which is much faster; a line that somebody else wrote into the file is left out."""
    try:
        records: list[Record] = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        records = []
        for line in lines:
            with suppress(ValueError):
                records.append(json.loads(line))
    return records
