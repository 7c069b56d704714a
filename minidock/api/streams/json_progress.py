"""How a transfer or a build goes, as a stream of JSON objects (moby: pkg/jsonmessage)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from minidock.image.registry.transfer_progress import Progress

if TYPE_CHECKING:
    from minidock.api.call import LazyStream

_PERIOD = 0.1  # seconds between two messages about one layer
_WIDTH = 50  # of docker's bar


class JsonProgress(Progress):
    """Told about a pull or push, from several threads."""

    def __init__(self, stream: LazyStream) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def say(self, line: str) -> None:
        self._send({"status": line})

    def status(self, layer: str, status: str) -> None:
        self._send({"status": status, "progressDetail": {}, "id": layer})

    def advance(self, layer: str, action: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._told.get(layer, 0.0) + _PERIOD and done < total:
            return
        self._told[layer] = now
        self._send({"status": action, "progressDetail": {"current": done, "total": total},
                    "progress": _bar(done, total), "id": layer})  # fmt: skip

    def _send(self, content: dict[str, Any]) -> None:
        with self._lock:
            self._stream.json(content)


def _bar(done: int, total: int) -> str:
    filled = min(_WIDTH, done * _WIDTH // total) if total > 0 else 0
    return f"[{'=' * filled}>{' ' * (_WIDTH - filled)}] {_size(done)}/{_size(total)}"


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.4g}{unit}"
