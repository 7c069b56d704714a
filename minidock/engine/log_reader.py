"""A container's log, read: all of it or its end, once or as it grows, over any number of rotations.

A reader that follows announces itself before it opens the files (`followers.py`), and takes what is rotated from then
on from the links that the writer makes for it. So no record is missed; and as a file that it knows already has the
same inode under every name, none comes twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from minidock.engine import followers, records, recovery
from minidock.engine.log_files import LogFile, Record, leave_out, open_all
from minidock.errors import NotFoundError
from minidock.linux.directories import remove_tree

_ALIVE = ("running", "paused", "restarting")
_PERIOD = 1.0  # seconds: how often to ask whether the container is still there, when nothing is written


class Wanted(NamedTuple):
    """Which records. `tail`: only so many of the last, None for all. `since`, `until`: RFC 3339 in UTC without the Z,
    or "".
    """

    tail: int | None = None
    since: str = ""
    until: str = ""

    def choose(self, block: list[Record]) -> tuple[list[Record], bool]:
        """Those that are wanted, and whether one that comes after them can be."""
        if self.since:
            block = [record for record in block if record["time"][:-1] >= self.since]
        if self.until:
            for number, record in enumerate(block):
                if record["time"][:-1] > self.until:
                    return block[:number], False
        return block, True


def read(log: str, wanted: Wanted) -> Iterator[list[Record]]:
    """The records that are there now, in blocks. There are none for a container that has not yet run."""
    files = open_all(log)
    if wanted.tail is not None:
        leave_out(files, wanted.tail)
    for file in files:
        for block in file.records():
            chosen, more = wanted.choose(block)
            yield chosen
            if not more:
                return


def follow(
    log: str, wanted: Wanted, is_running: Callable[[], bool], warn: Callable[[str], None]
) -> Iterator[list[Record]]:
    """`read`, and then what is written as long as `is_running`. `warn` is told if something was missed."""
    with _Follower(log, warn) as follower:
        for block in follower.blocks(wanted.tail, is_running):
            chosen, more = wanted.choose(block)
            yield chosen
            if not more:
                return


def while_running(root: str, container_id: str) -> Callable[[], bool]:
    """A function that says whether a container may still print something: it runs, or will be restarted."""
    swept = 0.0

    def ask() -> bool:
        nonlocal swept
        if time.monotonic() > swept + _PERIOD:  # a monitor that was killed leaves a record that says "running"
            recovery.sweep_all(root)
            swept = time.monotonic()
        record = records.load(root, container_id)
        return record is not None and record.status in _ALIVE

    return ask


class _Follower:
    """A reader that the writer knows of.

    The links in `_place` are the files that are complete and not yet read: once a file has one, the writer is done
    with it.
    """

    def __init__(self, log: str, warn: Callable[[str], None]) -> None:
        self.log = log
        self.warn = warn
        self._queue: list[str] = []  # paths of links, the oldest first

    def __enter__(self) -> _Follower:
        try:
            self._place, self._lock = followers.announce(self.log)
        except FileNotFoundError:
            raise NotFoundError("the container was removed just now") from None
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self._place)
        os.close(self._lock)

    def blocks(self, tail: int | None, is_running: Callable[[], bool]) -> Iterator[list[Record]]:
        """Everything that is there, then everything that comes, until the container has ended."""
        from minidock.linux.inotify import Watch

        with Watch(os.path.dirname(self.log)) as watch:
            files = self._open_all()
            if tail is not None:
                leave_out(files, tail)
            for older in files[:-1]:
                yield from older.records()
                older.close()
            file = files[-1] if files else None
            while True:
                running = is_running()  # asked first: what it printed last is then in the file
                if file:
                    file.is_complete = file.is_complete or self._is_linked(file)  # asked first, for the same reason
                    yield from file.records()
                if file is None or file.is_complete:
                    last, file = file, self._next(file)
                    if file and file is not last:
                        continue
                if not running:
                    return
                watch.wait(_PERIOD)

    def _open_all(self) -> list[LogFile]:
        """All files of the log, and before them those that were rotated away since we announced ourselves."""
        files, older = open_all(self.log), []
        for link in self._links():
            # From here on they are what we have opened, or newer.
            if any(file.is_at(link) for file in files):
                break
            if file := _open(link):
                older.append(file)
                _forget(link)
        return older + files

    def _is_linked(self, file: LogFile) -> bool:
        """Whether `file` is complete. Then the links of it, and of what came before it, have served."""
        links = self._links()
        # Two, if a writer was killed between making the link and renaming the file, and the next one did both again.
        own = [number for number, link in enumerate(links) if file.is_at(link)]
        if not own:
            return False
        for link in links[: own[-1] + 1]:
            _forget(link)
        self._queue = links[own[-1] + 1 :]
        return True

    def _next(self, last: LogFile | None) -> LogFile | None:
        """The file to read after `last`: a link, or else the newest file.

        It is `last` again in the moment in which the writer has made a link of it and not yet a new file.
        """
        self._queue = self._queue or self._links()
        file = None
        if not self._queue:
            file = _open(self.log)
            self._queue = self._links()
            if self._queue and file:  # rotated just now, perhaps more than once: what is linked comes first
                file.close()
        if self._queue:
            link = self._queue.pop(0)
            file = _open(link, is_complete=True)
            _forget(link)
        if file and last and file.is_same(last):
            # Not yet renamed; or never, because that writer was killed, and the next one appends to it.
            file.close()
            return last
        if last and file:
            last.close()
        return file or last

    def _links(self) -> list[str]:
        try:
            names = followers.links(self._place)
        except FileNotFoundError:
            return []  # the container was removed
        if followers.MISSED in names:
            self.warn("some lines were rotated away before they could be read")
            names.remove(followers.MISSED)
            _forget(os.path.join(self._place, followers.MISSED))
        return [os.path.join(self._place, name) for name in names]


def _open(path: str, *, is_complete: bool = False) -> LogFile | None:
    with suppress(FileNotFoundError):
        return LogFile(path, is_complete=is_complete)
    return None


def _forget(link: str) -> None:
    with suppress(FileNotFoundError):  # gone with the container
        os.unlink(link)
