"""A container's log, written: docker's `json-file`, one line of JSON for each line that the container prints.

    {"log":"listening on :80\\n","stream":"stdout","time":"2026-03-01T12:00:00.123456789Z"}

The monitor calls `Log.write` with whatever came out of a pipe. A whole block of lines is turned into records at once by
replacing every newline by "end of record, newline, begin of record": a loop over the lines would cost the container's
output a hundred times as much. Records reach the file in whole blocks, one write(2) each, so that a monitor that is
killed leaves whole records behind; one that was cut in the middle is cut off by the next `Log` of the file.

Rotation is docker's: a file that has reached its size becomes `<file>.1`, `.1` becomes `.2`, and the one beyond
`max_file` goes. `logs -f` reads while that happens (`followers.py`).
"""

from __future__ import annotations

import os
import time

# What is not always needed is imported where it is: an idle monitor (`lifetime/standby.py`) stays small that way.
TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.engine.journal.followers import Keeper

# Longer lines are cut into records of this many bytes, of which only the last ends in a newline (moby:
# daemon/logger/copier.go).
PARTIAL = 16 << 10

_ESCAPES = {byte: b"\\u%04x" % byte for byte in (*range(0x20), *b"<>&")} | {
    ord("\\"): b"\\\\", ord('"'): b'\\"', ord("\r"): b"\\r"
}  # fmt: skip
del _ESCAPES[ord("\n")]  # lines are cut there
_PLAIN = bytes(sorted(set(range(256)) - set(_ESCAPES)))


class Log:
    """The log file at `path`, appended to. `max_size`: bytes after which it is rotated; `max_file`: files kept.

    `attributes` are stored in every record (--log-opt labels, env, tag), for `logs --details`.
    """

    def __init__(
        self, path: str, max_size: int | None = None, max_file: int = 1, attributes: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.max_size = max_size
        self.max_file = max_file
        self.failure: OSError | None = None  # why the last records could not be written, if so
        self.attributes = dict(attributes or {})
        self._attributes = _as_json(attributes) if attributes else ""
        self.rest = {"stdout": b"", "stderr": b""}  # printed, and not yet ended by a newline
        self._keeper: Keeper | None = None
        self._open()

    def write(self, stream: str, data: bytes) -> None:
        """Log what came from `stream` ("stdout" or "stderr"): whole lines now, the rest when its newline comes.

        A full disk does not end the container, nor the log: what does not fit is lost, as in docker, and `failure`
        says so.
        """
        data = self.rest[stream] + data
        end = _end_of_record(stream, self._attributes)
        at = 0
        while at < len(data):
            newline = data.rfind(b"\n", at, at + PARTIAL)
            if newline >= 0:
                self._append(_records(data[at : newline + 1], end))
                at = newline + 1
            elif len(data) - at >= PARTIAL:
                cut = _cut(data, at + PARTIAL)
                self._append(_record(data[at:cut], end))
                at = cut
            else:
                break
        self.rest[stream] = data[at:]

    def close(self) -> None:
        """Log what was printed without a newline, and close the file."""
        for stream, rest in self.rest.items():
            if rest:
                self._append(_record(rest, _end_of_record(stream, self._attributes)))
                self.rest[stream] = b""
        os.close(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._truncate(_end_of_last_line(self._fd, self._size))

    def _append(self, records: bytes) -> None:
        """Write whole records, in as many files as they need."""
        while records:
            if self.max_size is None:
                count = len(records)
            else:
                if self._size >= self.max_size:
                    self._rotate()
                # The one that reaches the size is the file's last (moby: daemon/logger/loggerutils/logfile.go).
                count = records.find(b"\n", max(0, self.max_size - self._size - 1)) + 1 or len(records)
            self._write(records[:count])
            records = records[count:]

    def _write(self, records: bytes) -> None:
        view, before = memoryview(records), self._size
        try:
            while view:
                count = os.write(self._fd, view)
                self._size += count
                view = view[count:]
            self.failure = None
        except OSError as error:
            self.failure = error
            try:
                self._truncate(before)
            except OSError:
                return  # half a record at most stays, and the next to open the file cuts it off

    def _truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._size = size

    def _rotate(self) -> None:
        from minidock.engine.journal.followers import Keeper

        self._keeper = self._keeper or Keeper(self.path)
        self._keeper.keep(self._size)
        try:
            for number in range(self.max_file - 1, 0, -1):
                source = f"{self.path}.{number - 1}" if number > 1 else self.path
                if os.path.exists(source):
                    os.rename(source, f"{self.path}.{number}")
            if self.max_file == 1:
                os.unlink(self.path)  # not truncated as in docker: who is reading it reads it to its end
            old = self._fd
            self._open()
        except OSError as error:  # what is open stays so: at worst it has no name any more
            self.failure = error
            return
        os.close(old)


def _as_json(attributes: Mapping[str, str]) -> str:
    import json

    return f'"attrs":{json.dumps(attributes, separators=(",", ":"))},'


def _end_of_record(stream: str, attributes: str) -> bytes:
    return f'","stream":"{stream}",{attributes}"time":"{_now()}"}}\n'.encode()


def _records(lines: bytes, end: bytes) -> bytes:
    """Lines, each with its newline, as records."""
    begin = b'{"log":"'
    return begin + _escaped(lines).replace(b"\n", b"\\n" + end + begin)[: -len(begin)]


def _record(part: bytes, end: bytes) -> bytes:
    """A part of a line, without a newline, as a record."""
    return b'{"log":"' + _escaped(part) + end


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


def _cut(data: bytes, at: int) -> int:
    """`at`, or up to three bytes before it if it is inside a UTF-8 character."""
    for cut in range(at, at - 4, -1):
        if cut == len(data) or data[cut] & 0xC0 != 0x80:
            return cut
    return at


def _end_of_last_line(fd: int, size: int) -> int:
    """Where the last whole line of a file ends; it is looked for from the end on."""
    while size > 0:
        start = max(0, size - (64 << 10))
        newline = os.pread(fd, size - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        size = start
    return 0


def _now() -> str:
    """This moment as Go's RFC3339Nano has it: without zeros at the end."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}".rstrip("0")
    return text.rstrip(".") + "Z"
