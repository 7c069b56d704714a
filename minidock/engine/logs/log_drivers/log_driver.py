"""The interface of a log driver: the names and functions that its module defines, as a protocol."""

from __future__ import annotations

# For type checkers only: an idle monitor (`monitor/idle.py`) loads a driver and nothing that it does not need.
TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any, Protocol

    Record = dict[str, Any]  # log, stream, time, and perhaps attrs: docker's names

    class Driver(Protocol):
        """Records are bytes, one behind the other. `stream` is "stdout" or "stderr"."""

        @property
        def NAME(self) -> str: ...  # what --log-driver calls it
        @property
        def OPTIONS(self) -> Collection[str]: ...  # the --log-opt that it knows
        @property
        def SUFFIX(self) -> str: ...  # its file is called <container's id><suffix>
        def unknown(self, option: str) -> str:
            """Docker's words for an option that it does not know."""

        def rotation(self, options: Mapping[str, str]) -> tuple[int | None, int, bool]:
            """max-size in bytes, None without limit; max-file; compress. Raises `UsageError` in docker's words."""

        def lines(self, stream: str, lines: bytes, attributes: Mapping[str, str]) -> bytes:
            """Whole lines, each with its newline, as records."""

        def part(self, stream: str, part: bytes, attributes: Mapping[str, str]) -> bytes:
            """A part of a line, without a newline, as a record."""

        def end(self, records: bytes, at: int) -> int:
            """Where the record ends that has the byte at `at`."""

        def end_of_last(self, fd: int, size: int) -> int:
            """Where the last whole record of a file of `size` bytes ends: the writer may have been killed in the next
            one.
            """

        def parse(self, chunk: bytes) -> tuple[list[Record], int]:
            """The records that `chunk` begins with, and how many bytes of it they are."""

        def back(self, fd: int, size: int, count: int) -> tuple[int, int]:
            """Where the last whole record of a file of `size` bytes ends, as a writer may have been killed in one."""
