"""A container's log, written: what comes out of its pipes, in lines, as records of a log driver (`log_drivers/`).

The monitor calls `Log.write` with whatever came out of a pipe. Records reach the file in whole blocks, one write(2)
each, so that a monitor that is killed leaves whole records behind; one that was cut in the middle is cut off by the
next `Log` of the file.

Rotation is docker's: a file that has reached its size becomes `<file>.1`, `.1` becomes `.2`, and the one beyond
`max_file` goes. `logs -f` reads while that happens (`rotation_links.py`). With `compress`, what was rotated becomes
`<file>.1.gz`, unless somebody follows: then it stays as it is until a rotation at which nobody does.
"""

from __future__ import annotations

import os

from minidock.engine.logs import log_drivers

# What is not always needed is imported where it is: an idle monitor (`monitor/idle.py`) stays small that way.
TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.engine.logs.rotation_links import RotationLinks

# Longer lines are cut into records of this many bytes, of which only the last ends in a newline (moby:
# daemon/logger/copier.go).
PARTIAL = 16 << 10
PACKED = ".gz"


class Log:
    """The log file at `path`, appended to. `max_size`: bytes after which it is rotated; `max_file`: files kept.

    `attributes` are stored in every record (--log-opt labels, env, tag), for `logs --details`, by a driver that can.
    """

    def __init__(
        self,
        path: str,
        max_size: int | None = None,
        max_file: int = 1,
        compress: bool = False,
        attributes: Mapping[str, str] | None = None,
        driver: str = log_drivers.JSON_FILE,
    ) -> None:
        self.arguments = [path, max_size, max_file, compress, dict(attributes or {}), driver]  # to make another like it
        self.path = path
        self.max_size = max_size
        self.max_file = max_file
        self.compress = compress
        self.failure: OSError | None = None  # why the last records could not be written, if so
        self.attributes = dict(attributes or {})
        self.unfinished = {"stdout": b"", "stderr": b""}  # printed, and not yet ended by a newline
        self._driver = log_drivers.find(driver)
        self._links: RotationLinks | None = None
        self._open()

    def write(self, stream: str, data: bytes) -> None:
        """Log what came from `stream` ("stdout" or "stderr"): whole lines now, the rest when its newline comes.

        A full disk does not end the container, nor the log: what does not fit is lost, as in docker, and `failure`
        says so.
        """
        data = self.unfinished[stream] + data
        at = 0
        while at < len(data):
            newline = data.rfind(b"\n", at, at + PARTIAL)
            if newline >= 0:
                self._append(self._driver.lines(stream, data[at : newline + 1], self.attributes))
                at = newline + 1
            elif len(data) - at >= PARTIAL:
                cut = _cut(data, at + PARTIAL)
                self._append(self._driver.part(stream, data[at:cut], self.attributes))
                at = cut
            else:
                break
        self.unfinished[stream] = data[at:]

    def close(self) -> None:
        """Log what was printed without a newline, and close the file."""
        for stream, line in self.unfinished.items():
            if line:
                self._append(self._driver.part(stream, line, self.attributes))
                self.unfinished[stream] = b""
        os.close(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size
        end = self._driver.end_of_last(self._fd, self._size)
        if end < self._size:
            self._truncate(end)

    def _append(self, records: bytes) -> None:
        """Write whole records, in as many files as they need."""
        while records:
            if self.max_size is None:
                count = len(records)
            else:
                if self._size >= self.max_size:
                    self._rotate()
                # The one that reaches the size is the file's last (moby: daemon/logger/loggerutils/logfile.go).
                count = self._driver.end(records, max(0, self.max_size - self._size - 1))
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
        from minidock.engine.logs.rotation_links import RotationLinks

        self._links = self._links or RotationLinks(self.path)
        followed = self._links.keep(self._size)
        try:
            self._rename_all()
            old = self._fd
            self._open()
        except OSError as error:  # what is open stays so: at worst it has no name any more
            self.failure = error
            return
        os.close(old)
        if self.compress and not followed:
            self._pack()

    def _rename_all(self) -> None:
        """`<file>` becomes `.1`, and so on; compressed or not."""
        if self.max_file == 1:
            os.unlink(self.path)  # not truncated as in docker: who is reading it reads it to its end
            return
        for suffix in ("", PACKED):
            _remove(f"{self.path}.{self.max_file - 1}{suffix}")
        for number in range(self.max_file - 1, 1, -1):
            for suffix in ("", PACKED):
                if os.path.exists(f"{self.path}.{number - 1}{suffix}"):
                    os.rename(f"{self.path}.{number - 1}{suffix}", f"{self.path}.{number}{suffix}")
        os.rename(self.path, f"{self.path}.1")

    def _pack(self) -> None:
        """Compress what was rotated. A file has its new name before it loses the old one."""
        from minidock.engine.logs import log_compression

        for number in range(1, self.max_file):
            path = f"{self.path}.{number}"
            try:
                if os.path.exists(path):
                    log_compression.pack(path, path + PACKED)
            except OSError as error:  # no room: it stays as it is
                self.failure = error


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _cut(data: bytes, at: int) -> int:
    """`at`, or up to three bytes before it if it is inside a UTF-8 character."""
    for cut in range(at, at - 4, -1):
        if cut == len(data) or data[cut] & 0xC0 != 0x80:
            return cut
    return at
