"""The digests of a context's files, remembered from build to build, so that only what was touched is read again.

    build/digests/<context>.json    {path: [inode, size, mtime, ctime, digest]}, times in nanoseconds; of which context

A file is taken to be the same while its inode, its size and both its times are: nobody can set a ctime (inode(7)). Not
trusted is what was changed less than two seconds before it was read, as a second change would leave no other time
(the "racily clean" entries of git's index).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress

from minidock import state
from minidock.errors import MinidockError

_PLACE = ("build", "digests")
_SETTLED = 2_000_000_000  # nanoseconds
_MOST = 30_000  # files: of more, the list would take more memory than a build may


class KnownDigests:
    """The files of the context in `directory`."""

    def __init__(self, root: str, directory: str) -> None:
        self.root = root
        self._context = os.path.realpath(directory)
        self._file = f"{hashlib.sha256(os.fsencode(self._context)).hexdigest()}.json"
        self._before = self._read()
        self._now: dict[str, list[int | str]] = {}

    def _read(self) -> dict[str, list[int | str]]:
        try:
            return dict(state.read_json(os.path.join(self.root, *_PLACE, self._file))["files"])
        except Exception:  # everything is read, then
            return {}

    def get(self, path: str, status: os.stat_result) -> str:
        """The digest of a file that looks like this, "" if it is not known."""
        row = self._before.get(path)
        if not isinstance(row, list) or row[:-1] != _looks(status) or not isinstance(row[-1], str):
            return ""
        self._now[path] = row
        return row[-1]

    def put(self, path: str, status: os.stat_result, digest: str) -> None:
        """Remember what was read just now of a file that looked like this before."""
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED and len(self._now) < _MOST:
            self._now[path] = [*_looks(status), digest]

    def keep(self) -> None:
        """Write down what was seen, if it is not what was there."""
        if self._now and self._now != self._before:
            directory = state.directory(self.root, *_PLACE)
            content = {"context": self._context, "files": self._now}
            state.write_json(os.path.join(directory, self._file), content, durable=False, compact=True)


def _looks(status: os.stat_result) -> list[int | str]:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def forget(root: str, *, everything: bool) -> None:
    """Remove what is remembered of contexts that are gone, or all of it."""
    place = os.path.join(root, *_PLACE)
    if everything:
        shutil.rmtree(place, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        for name in os.listdir(place):
            path = os.path.join(place, name)
            if not os.path.isdir(_context_of(path)):
                os.unlink(path)


def _context_of(path: str) -> str:
    """The directory that a file is about; "" of a file that cannot be read."""
    try:
        return str(state.read_json(path).get("context", ""))
    except (MinidockError, OSError):
        return ""
