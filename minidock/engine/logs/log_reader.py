"""A container's log, read: all of it or its end, once or as it grows, over any number of rotations.

A reader that follows announces itself before it opens the files (`rotation_links.py`), and takes what is rotated from
then on from the links that the writer makes for it. So no record is missed; and as a file that it knows already has the
same inode under every name, none comes twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock.engine.container import records, recovery
from minidock.engine.logs import rotation_links
from minidock.engine.logs.log_drivers import json_file
from minidock.engine.logs.log_files import LogFile, leave_out, open_all
from minidock.errors import NotFoundError
from minidock.linux.directory_trees import remove_tree
from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    from minidock.engine.logs.log_drivers.log_driver import Driver, Record

_ALIVE = ("running", "paused", "restarting")
_PERIOD = 1.0  # seconds between two checks whether the container still exists, while nothing is written


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
            block = [record for record in block if _whole(record["time"]) >= self.since]
        if self.until:
            for number, record in enumerate(block):
                if _whole(record["time"]) > self.until:
                    return block[:number], False
        return block, True


def _whole(moment: str) -> str:
    """A record's time with all nine digits: zeros at its end are left out on record, and count when it is compared."""
    seconds, _, fraction = moment[:-1].partition(".")
    return f"{seconds}.{fraction:0<9}"


def read(log: str, wanted: Wanted, driver: Driver = json_file) -> Iterator[list[Record]]:
    """The records that are there now, in blocks. There are none for a container that has not yet run."""
    files = open_all(log, driver)
    if wanted.tail is not None:
        leave_out(files, wanted.tail)
    for file in files:
        for block in file.records(growing=False):
            chosen, more = wanted.choose(block)
            yield chosen
            if not more:
                return


def follow(
    log: str,
    wanted: Wanted,
    is_running: Callable[[], bool],
    warn: Callable[[str], None],
    driver: Driver = json_file,
) -> Iterator[list[Record]]:
    """`read`, and then what is written as long as `is_running`. `warn` is called if something was missed."""
    with _Follower(log, warn, driver) as follower:
        for block in follower.blocks(wanted.tail, is_running):
            chosen, more = wanted.choose(block)
            yield chosen
            if not more:
                return


def while_running(root: str, container_id: str) -> Callable[[], bool]:
    """A function that says whether a container may still print something: it runs, or will be restarted.

    The caller has swept. To sweep again at once would hold the lock of all containers just when a reader whose output
    nobody takes may be stopped.
    """
    swept = time.monotonic()

    def ask() -> bool:
        nonlocal swept
        if time.monotonic() > swept + _PERIOD:  # a monitor that was killed leaves a record that says "running"
            recovery.sweep_all(root)
            swept = time.monotonic()
        record = records.load(root, container_id)
        return record is not None and record.status in _ALIVE

    return ask


class _Follower:
    """A reader that has announced itself to the writer.

    The links in `_place` are the files that are complete and not yet read: once a file has one, the writer is done
    with it.
    """

    def __init__(self, log: str, warn: Callable[[str], None], driver: Driver) -> None:
        self.log = log
        self.warn = warn
        self.driver = driver
        self._queue: list[str] = []  # paths of links, the oldest first

    def __enter__(self) -> _Follower:
        try:
            self._place, self._lock = rotation_links.announce(self.log)
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
                    file.is_complete = file.is_complete or self._is_put_aside(file)  # asked first, for the same reason
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
        while True:
            files, links = open_all(self.log, self.driver), self._links()
            known = next((n for n, link in enumerate(links) if any(file.is_at(link) for file in files)), None)
            # One of ours that is linked, or the newest that is the newest still, tells which links are older.
            if known is not None or not files or files[-1].is_at(self.log):
                break
            for opened in files:  # the newest was being rotated when we announced ourselves, without a link for us
                opened.close()
        older = [file for link in links[:known] if (file := self._open(link))]
        for link in links[:known]:
            _forget(link)
        return older + files

    def _is_put_aside(self, file: LogFile) -> bool:
        """Whether the writer is done with `file`. Then the links of it, and of what came before it, have served."""
        is_renamed = not file.is_at(self.log)  # asked first: what is renamed is linked already, if it is to be
        links = self._links()
        # Two, if a writer was killed between making the link and renaming the file, and the next one did both again.
        own = [number for number, link in enumerate(links) if file.is_at(link)]
        if own:
            for link in links[: own[-1] + 1]:
                _forget(link)
            self._queue = links[own[-1] + 1 :]
        return bool(own) or is_renamed

    def _next(self, last: LogFile | None) -> LogFile | None:
        """The file to read after `last`: a link, or else the newest file.

        It is `last` again in the moment in which the writer has made a link of it and not yet a new file.
        """
        while True:
            file = self._from_link()
            if file is None:
                file = self._open(self.log)
                if file and self._links():  # rotated just now, perhaps more than once: what is linked comes first
                    file.close()
                    continue
                if file and last and file.is_same(last):
                    # Not yet renamed; or never, because that writer was killed, and the next one appends to it.
                    file.close()
                    return last
            elif last and file.is_same(last):  # linked twice, by that writer and the next
                file.close()
                continue
            if file and last:
                last.close()
            return file or last

    def _from_link(self) -> LogFile | None:
        """The oldest file that is linked and not yet read."""
        self._queue = self._queue or self._links()
        while self._queue:
            link = self._queue.pop(0)
            file = self._open(link, is_complete=True)
            _forget(link)
            if file:
                return file
        return None

    def _open(self, path: str, *, is_complete: bool = False) -> LogFile | None:
        with suppress(FileNotFoundError):
            return LogFile(path, self.driver, is_complete=is_complete)
        return None

    def _links(self) -> list[str]:
        try:
            names = rotation_links.links(self._place)
        except FileNotFoundError:
            return []  # the container was removed
        if rotation_links.MISSED in names:
            self.warn("some lines were rotated away before they could be read")
            names.remove(rotation_links.MISSED)
            _forget(os.path.join(self._place, rotation_links.MISSED))
        return [os.path.join(self._place, name) for name in names]


def _forget(link: str) -> None:
    with suppress(FileNotFoundError):  # gone with the container
        os.unlink(link)
