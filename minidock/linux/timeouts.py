"""Timeouts for other processes that hold on a machine under heavy load.

A number of seconds does not distinguish a process that hangs from one that gets no processor time: under a small cpu
quota, or among hundreds of others, a millisecond's work takes a minute. A process that runs now and then, or waits for
a processor, will finish. So the seconds that count are those in which none of the processes has run or could have run.
Sources: proc(5) "stat", Documentation/scheduler/sched-stats.rst.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

_MOST = 600.0  # seconds in all: a process may run for ever
_LOOK = 0.25  # seconds between two checks


class ActivityTimeout:
    """It is over after `seconds` in which none of `processes`, which returns their pids, was active."""

    def __init__(self, seconds: float, processes: Callable[[], Iterable[int]]) -> None:
        self._seconds, self._processes = seconds, processes
        self._began = self._moved = time.monotonic()
        self._looked = 0.0
        self._seen: dict[int, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether to stop waiting."""
        now = time.monotonic()
        if now > self._looked + _LOOK:
            self._looked = now
            seen = {pid: _activity(pid) for pid in self._ids() if pid}
            if seen != self._seen or any(" R " in activity for activity in seen.values()):
                self._seen, self._moved = seen, now
        return now > self._moved + self._seconds or now > self._began + _MOST

    def _ids(self) -> list[int]:
        try:
            return list(self._processes())
        except OSError:  # what lists them is gone just now
            return []


def _activity(pid: int) -> str:
    """A text that changes whenever the process runs; it contains " R " while the process is runnable."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            turns = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return f" {fields[0]} {turns}"
