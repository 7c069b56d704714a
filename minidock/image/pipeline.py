"""A pipeline of two threads: one reads, decompresses and hashes, and the caller unpacks the tar.

Reading, decompressing, hashing and writing release Python's interpreter lock, so both threads run at the same time. The
queue between them is short: memory is bounded whatever the size of the layer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

CHUNK = 256 << 10
_QUEUED = 16


class Pipeline:
    """Runs the iterator `produce` in a thread; use as a context manager and call `next` for its chunks."""

    def __init__(self, produce: Iterator[bytes]) -> None:
        self._produce = produce
        self._queue: queue.Queue[bytes | BaseException] = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        # A daemon: a reader that waits for a silent pipe must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Pipeline:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.1)  # makes room for a producer that waits in put()
            except queue.Empty:
                break

    def next(self) -> bytes:
        """The next chunk, or none at the end. Raises what the producer raised."""
        item = self._queue.get()
        if isinstance(item, bytes) and item:
            return item
        self._queue.put(item)  # the end stays the end, however often it is asked for
        if isinstance(item, BaseException):
            raise item
        return b""

    def _run(self) -> None:
        end: bytes | BaseException = b""
        try:
            for chunk in _gathered(self._produce):
                if self._stopped.is_set():
                    return
                self._queue.put(chunk)
        except BaseException as error:
            end = error
        self._queue.put(end)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of about `CHUNK`: to hand over each piece of a small file costs more than to read it."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(waiting)  # of one piece it is that piece, not a copy
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)
