"""Docker's `local`: binary records, rotated and compressed unless told otherwise (moby: daemon/logger/local).

    size, 4 bytes, big endian | a LogEntry of so many bytes | size again, so that the file can be read from its end

A LogEntry is a protocol buffer (https://protobuf.dev/programming-guides/encoding): fields with a number and a kind.

    1 source, "stdout"   2 time_nano, since 1970   3 line, without its newline   4 partial   5 {1 last, 2 id, 3 ordinal}

The records are those of docker's and read as such; `labels`, `env` and `tag` are not in them.
"""

from __future__ import annotations

import os
import time

from minidock.engine.logs.log_drivers.timestamps import spelled
from minidock.errors import UsageError

TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from minidock.engine.logs.log_drivers.log_driver import Record

NAME = "local"
OPTIONS = ("max-file", "max-size", "compress")
SUFFIX = "-local.log"
_MAX_SIZE, _MAX_FILE, _COMPRESS = 20 << 20, "5", "true"
_LENGTH = 4  # bytes of a size
_LARGEST = 1 << 24  # a line's part is 16 KiB: what is said to be more than this is no record
# A field's number and its kind: 0 a number, 2 so many bytes.
_SOURCE, _TIME, _LINE, _PARTIAL, _METADATA = 1 << 3 | 2, 2 << 3, 3 << 3 | 2, 4 << 3, 5 << 3 | 2
_LAST, _ID, _ORDINAL = 1 << 3, 2 << 3 | 2, 3 << 3


def unknown(option: str) -> str:
    """Docker's words for an option that it does not know."""
    return f"unknown log opt '{option}' for log driver local"


def rotation(options: Mapping[str, str]) -> tuple[int | None, int, bool]:
    """max-size, max-file and compress (moby: daemon/logger/local/config.go)."""
    from minidock.engine.logs.log_drivers.option_values import boolean, number, refused, size

    limit = _read("invalid value for max-size: {}: ", options, "max-size", size, str(_MAX_SIZE))
    files = _read("invalid value for max-file: {}: ", options, "max-file", number, _MAX_FILE)
    compress = _read("error reading compress log option: ", options, "compress", boolean, _COMPRESS)
    if files < 0:
        raise refused("max file count cannot be less than 0")
    if compress and files <= 1:
        raise refused("compression cannot be enabled when max file count is 1")
    return limit, max(1, files), bool(compress)


def _read(why: str, options: Mapping[str, str], name: str, read: Callable[[str], int], default: str) -> int:
    text = options.get(name, default)
    try:
        return read(text)
    except UsageError as error:
        raise UsageError(f"{why.format(text)}{error}", exit_code=error.exit_code) from None


def lines(stream: str, lines: bytes, attributes: Mapping[str, str]) -> bytes:
    """Whole lines, each with its newline, as records."""
    head = _head(stream)
    return b"".join(_record(head + _bytes(_LINE, line)) for line in lines[:-1].split(b"\n"))


def part(stream: str, part: bytes, attributes: Mapping[str, str]) -> bytes:
    """A part of a line, without a newline, as a record."""
    metadata = _bytes(_ID, os.urandom(32).hex().encode()) + _number(_ORDINAL, 1)
    return _record(_head(stream) + _bytes(_LINE, part) + _number(_PARTIAL, 1) + _bytes(_METADATA, metadata))


def end(records: bytes, at: int) -> int:
    """Where the record ends that has the byte at `at`."""
    end = 0
    while end <= at:
        end += _size(records, end) + 2 * _LENGTH
    return min(end, len(records))


def end_of_last(fd: int, size: int) -> int:
    """Where the last whole record of a file ends. Looked for from the beginning, if the end is not that of a record."""
    if _begin_of_last(fd, size) is not None:
        return size
    at = 0
    while len(head := os.pread(fd, _LENGTH, at)) == _LENGTH:
        beyond = at + _size(head, 0) + 2 * _LENGTH
        if beyond > size or os.pread(fd, _LENGTH, beyond - _LENGTH) != head:
            break
        at = beyond
    return at


def parse(chunk: bytes) -> tuple[list[Record], int]:
    """The records that `chunk` begins with. What is no record ends them: it is taken, and everything behind it."""
    records: list[Record] = []
    at = 0
    while at + _LENGTH <= len(chunk):
        size = _size(chunk, at)
        beyond = at + size + 2 * _LENGTH
        if size <= _LARGEST and beyond > len(chunk):
            break
        if size > _LARGEST or chunk[beyond - _LENGTH : beyond] != chunk[at : at + _LENGTH]:
            return records, len(chunk)
        records.append(_parsed(chunk[at + _LENGTH : beyond - _LENGTH]))
        at = beyond
    return records, at


def back(fd: int, size: int, count: int) -> tuple[int, int]:
    """Where the last `count` records begin, and how many of these there are not: from one to the one before it."""
    at = end_of_last(fd, size)
    while count and at and (begin := _begin_of_last(fd, at)) is not None:
        at, count = begin, count - 1
    return at, count


def _head(stream: str) -> bytes:
    return _bytes(_SOURCE, stream.encode()) + _number(_TIME, time.time_ns())


def _record(entry: bytes) -> bytes:
    length = len(entry).to_bytes(_LENGTH, "big")
    return length + entry + length


def _size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _LENGTH], "big")


def _begin_of_last(fd: int, end: int) -> int | None:
    """Where the record begins that ends at `end`; None if none does."""
    tail = os.pread(fd, _LENGTH, max(0, end - _LENGTH))
    begin = end - _size(tail, 0) - 2 * _LENGTH
    return begin if begin >= 0 and os.pread(fd, _LENGTH, begin) == tail else None


def _varint(number: int) -> bytes:
    """Seven bits in a byte, the lowest first; the eighth says that more follow."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _number(tag: int, number: int) -> bytes:
    return bytes((tag,)) + _varint(number)


def _bytes(tag: int, data: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(data)) + data if data else b""


def _fields(data: bytes) -> dict[int, bytes | int]:
    """The fields of a message by their tags. Raises `IndexError` or `ValueError` for what is none."""
    fields: dict[int, bytes | int] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, at = _read_varint(data, at)
        if tag & 7 == 2:
            fields[tag], at = data[at : at + number], at + number
        elif tag & 7 == 0:
            fields[tag] = number
        else:
            raise ValueError(f"a field of kind {tag & 7}")
    return fields


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def _parsed(entry: bytes) -> Record:
    """A LogEntry in the words of json-file. A part of a line has no newline, but for the last."""
    try:
        fields = _fields(entry)
        partial = fields.get(_PARTIAL) and not _fields(bytes(fields.get(_METADATA, b""))).get(_LAST)
    except (IndexError, ValueError):
        fields, partial = {}, True
    line = bytes(fields.get(_LINE, b"")) + (b"" if partial else b"\n")
    return {
        "log": line.decode("utf-8", "surrogateescape"),
        "stream": bytes(fields.get(_SOURCE, b"stdout")).decode("utf-8", "replace"),
        "time": spelled(int(fields.get(_TIME, 0))),
    }
