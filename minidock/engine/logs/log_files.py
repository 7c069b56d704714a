"""The files of a log, `<log>.2`, `<log>.1`, `<log>`, opened as they were at one moment, and the records in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minidock.engine.logs import log_compression
from minidock.engine.logs.log_drivers import json_file
from minidock.engine.logs.log_writer import PACKED
from minidock.state import DamagedError

if TYPE_CHECKING:
    from minidock.engine.logs.log_drivers.log_driver import Driver, Record

_CHUNK = 1 << 20
_PATIENCE = 1.0  # seconds

_SHAPE = {"log": str, "stream": str, "time": str}


class LogFile:
    """An open log file, its size when it was opened, how far it is read, and whether the writer is done with it.

    `driver`: whose records are in it. `shape`: what each has, by key; what somebody else wrote into the file is left
    out.

    Raises `FileNotFoundError` where there is none, `DamagedError` for a directory.
    """

    def __init__(
        self, path: str, driver: Driver = json_file, *, is_complete: bool = False, shape: Mapping[str, type] = _SHAPE
    ) -> None:
        if os.path.isdir(path):
            raise DamagedError(path, "it is a directory", "move it away")
        self.shape = shape
        self.driver = driver
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.at = 0
        self.is_complete = is_complete
        self.is_left_out = False

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
        """What was not read before, in blocks, up to the last whole record.

        `growing`: with what is written meanwhile, so that whoever writes faster than this is read never lets it end.
        """
        while True:
            fd = self.content()
            size = _CHUNK if growing else min(_CHUNK, self.size - self.at)
            found, end = self.driver.parse(os.pread(fd, max(0, size), self.at))
            if not end:
                return
            self.at += end
            yield list(filter(self._is_record, found))

    def _is_record(self, record: Any) -> bool:
        return isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in self.shape.items())

    def skip_to_last(self, count: int) -> int:
        """Leave out all but the last `count` records; returns how many of these it does not have."""
        fd = self.content()
        self.at, missing = self.driver.back(fd, self.size, count)
        return missing

    def content(self) -> int:
        """The descriptor to read from."""
        return self.fd


class PackedFile(LogFile):
    """One that was compressed when it was rotated. It is unpacked only if something of it is wanted."""

    def __init__(self, path: str, driver: Driver) -> None:
        super().__init__(path, driver, is_complete=True)
        self._unpacked = -1

    def content(self) -> int:
        if self._unpacked < 0:
            self._unpacked = log_compression.unpacked(self.fd)
            self.size = os.fstat(self._unpacked).st_size
        return self._unpacked

    def skip_to_last(self, count: int) -> int:
        if count:
            return super().skip_to_last(count)
        self.is_left_out = True
        return 0

    def records(self, *, growing: bool = True) -> Iterator[list[Record]]:
        return iter(()) if self.is_left_out else super().records(growing=growing)

    def close(self) -> None:
        super().close()
        if self._unpacked >= 0:
            os.close(self._unpacked)


def open_all(log: str, driver: Driver = json_file) -> list[LogFile]:
    """All files of a log, the oldest first; none if nothing was ever logged.

    If one was rotated while we opened them, its name is another's now, and we begin again. A writer that was killed
    between rename(2) and open(2) may have left the newest name missing.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        files: list[LogFile] = []
        with suppress(FileNotFoundError):
            files.append(LogFile(log, driver))
        has_newest = bool(files)
        with suppress(FileNotFoundError):
            for number in range(1, 1 << 30):
                files.append(_open_rotated(f"{log}.{number}", driver))
        if (has_newest and files[0].is_at(log)) or not files or time.monotonic() > deadline:
            return files[::-1]
        for file in files:
            file.close()


def leave_out(files: list[LogFile], tail: int) -> None:
    """Skip all but the last `tail` records of a log's files."""
    for file in reversed(files):
        tail = file.skip_to_last(tail)


def _open_rotated(path: str, driver: Driver) -> LogFile:
    """A file that was rotated, or what it was compressed to. Both are there if the writer was killed in between."""
    try:
        return LogFile(path, driver)
    except FileNotFoundError:
        return PackedFile(path + PACKED, driver)
