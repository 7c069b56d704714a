"""What a monitor knows of its container besides the present run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.engine.container.records import Record
from minidock.engine.monitor import restart_policy

if TYPE_CHECKING:
    from minidock.engine.monitor.health import Health


class Monitored:
    """What a monitor knows of its container besides the present run: `began` is when that did, on the steady clock."""

    def __init__(self, record: Record, lock: int, cache: str) -> None:
        self.record = record
        self.lock = lock
        self.cache = cache
        self.backoff = restart_policy.Backoff()
        self.began = 0.0
        self.health: Health | None = None
