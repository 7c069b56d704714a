"""The last minute of a container: its use per second, from samples."""

from __future__ import annotations

import time
from collections import deque
from itertools import pairwise

from minidock.explain.xray.model import Xray
from minidock.named_tuple import NamedTuple

SAMPLES = 60


class Point(NamedTuple):
    """One sample: `at` in seconds on the monotonic clock, counters since the container's start, memory in bytes."""

    at: float
    cpu: float
    memory: int
    received: int
    sent: int


class Rates(NamedTuple):
    """Between two samples: processors in use, bytes a second."""

    cpu: float
    received: float
    sent: float


class Trend:
    """The newest samples, at most `SAMPLES`."""

    def __init__(self) -> None:
        self.points: deque[Point] = deque(maxlen=SAMPLES)

    def add(self, xray: Xray) -> None:
        """Add a sample of a running container; delete all when it does not run."""
        running = xray.running
        if running is None:
            self.points.clear()
            return
        group = running.cgroup
        memory = group.memory.current if group and group.memory else sum(p.resident for p in running.processes)
        cpu = group.cpu.used if group and group.cpu else sum(p.cpu for p in running.processes)
        received = sum(cable.inside.received for cable in running.network.cables)
        sent = sum(cable.inside.sent for cable in running.network.cables)
        if self.points and cpu < self.points[-1].cpu:  # restarted: its counters begin at 0
            self.points.clear()
        self.points.append(Point(time.monotonic(), cpu, memory, received, sent))

    @property
    def rates(self) -> list[Rates]:
        """The use between each sample and the next."""
        looks = list(self.points)
        found = []
        for before, after in pairwise(looks):
            took = max(after.at - before.at, 1e-3)
            differences = (after.cpu - before.cpu, after.received - before.received, after.sent - before.sent)
            found.append(Rates(*(difference / took for difference in differences)))
        return found

    @property
    def memory(self) -> list[int]:
        """The memory at each sample."""
        return [point.memory for point in self.points]
