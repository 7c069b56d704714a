"""Docker's `json-file`: one line of JSON for each line that the container prints.

    {"log":"listening on :80\\n","stream":"stdout","time":"2026-03-01T12:00:00.123456789Z"}

A whole block of lines is turned into records at once by replacing every newline by "end of record, newline, begin of
record": a loop over the lines would cost the container's output a hundred times as much.
"""

from __future__ import annotations

import os

from minidock.engine.logs.log_drivers.timestamps import now

TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.engine.logs.log_drivers.log_driver import Record

NAME = "json-file"
OPTIONS = ("max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag")
SUFFIX = "-json.log"
_CHUNK = 1 << 20

_ESCAPES = {byte: b"\\u%04x" % byte for byte in (*range(0x20), *b"<>&")} | {
    ord("\\"): b"\\\\", ord('"'): b'\\"', ord("\r"): b"\\r"
}  # fmt: skip
del _ESCAPES[ord("\n")]  # lines are cut there
_PLAIN = bytes(sorted(set(range(256)) - set(_ESCAPES)))


def unknown(option: str) -> str:
    """Docker's words for an option that it does not know."""
    return f"unknown log opt '{option}' for json-file log driver"


def rotation(options: Mapping[str, str]) -> tuple[int | None, int, bool]:
    """max-size, max-file and compress; none is docker's default (moby: daemon/logger/jsonfilelog/jsonfilelog.go)."""
    from minidock.engine.logs.log_drivers.option_values import boolean, number, refused, size

    limit = size(options["max-size"]) if "max-size" in options else None
    if limit is not None and limit <= 0:
        raise refused("max-size must be a positive number")
    files = number(options.get("max-file", "1"))
    if files < 1:
        raise refused("max-file cannot be less than 1")
    compress = boolean(options.get("compress", "false"))
    if compress and (files == 1 or limit is None):
        raise refused("compress cannot be true when max-file is less than 2 or max-size is not set")
    return limit, files, compress


def lines(stream: str, lines: bytes, attributes: Mapping[str, str]) -> bytes:
    """Whole lines, each with its newline, as records."""
    begin, end = b'{"log":"', _end_of_record(stream, attributes)
    return begin + _escaped(lines).replace(b"\n", b"\\n" + end + begin)[: -len(begin)]


def part(stream: str, part: bytes, attributes: Mapping[str, str]) -> bytes:
    """A part of a line, without a newline, as a record."""
    return b'{"log":"' + _escaped(part) + _end_of_record(stream, attributes)


def end(records: bytes, at: int) -> int:
    """Where the record ends that has the byte at `at`."""
    return records.find(b"\n", at) + 1 or len(records)


def end_of_last(fd: int, size: int) -> int:
    """Where the last whole line of a file ends; it is looked for from the end on."""
    while size > 0:
        start = max(0, size - (64 << 10))
        newline = os.pread(fd, size - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        size = start
    return 0


def parse(chunk: bytes) -> tuple[list[Record], int]:
    """All at once, which is much faster; a line that somebody else wrote into the file is left out."""
    import json

    end = chunk.rfind(b"\n") + 1
    rows = chunk[: max(0, end - 1)].split(b"\n") if end else []
    try:
        records: list[Record] = json.loads(b"[" + b",".join(rows) + b"]")
    except ValueError:
        records = []
        for row in rows:
            try:
                records.append(json.loads(row))
            except ValueError:
                continue
    return records, end


def back(fd: int, size: int, count: int) -> tuple[int, int]:
    """Where the last `count` records begin, and how many of these there are not: newlines are counted, from the end."""
    at = size
    while at > 0:
        start = max(0, at - _CHUNK)
        chunk = os.pread(fd, at - start, start)
        end = len(chunk)
        while (end := chunk.rfind(b"\n", 0, end)) >= 0:
            if count == 0:
                return start + end + 1, 0
            count -= 1
        at = start
    return 0, count


def _end_of_record(stream: str, attributes: Mapping[str, str]) -> bytes:
    attrs = ""
    if attributes:
        import json  # here, as an idle monitor does without

        attrs = f'"attrs":{json.dumps(attributes, separators=(",", ":"))},'
    return f'","stream":"{stream}",{attrs}"time":"{now()}"}}\n'.encode()


def _escaped(text: bytes) -> bytes:
    """As the inside of a JSON string, but for newlines, as docker writes it (moby: daemon/logger/jsonfilelog/jsonlog).

    A byte that is no UTF-8 becomes U+FFFD.
    """
    special = set(text.translate(None, _PLAIN))
    if ord("\\") in special:  # before those that put backslashes in
        text = text.replace(b"\\", _ESCAPES[ord("\\")])
        special.remove(ord("\\"))
    for byte in special:
        text = text.replace(bytes((byte,)), _ESCAPES[byte])
    if text.isascii():
        return text
    decoded = text.decode("utf-8", "surrogateescape").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    # What is no UTF-8 becomes "?" in the fast way to encode. A control character, all of which are escaped by now,
    # takes the place of the question marks that were there.
    return decoded.replace("?", "\x01").encode("utf-8", "replace").replace(b"?", b"\\ufffd").replace(b"\x01", b"?")
