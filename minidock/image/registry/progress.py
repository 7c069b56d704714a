"""Who is told how a transfer goes. The engine decides what a user sees of it."""

from __future__ import annotations


class Progress:
    """Told about a pull or push as it happens, from several threads. This one says nothing."""

    def say(self, line: str) -> None:
        """A line that stands for itself: `latest: Pulling from library/alpine`."""

    def status(self, layer: str, status: str) -> None:
        """A layer, by its short id, has come to a new state: `Download complete`."""

    def advance(self, layer: str, action: str, done: int, total: int) -> None:
        """`done` of `total` bytes of the layer are over; `action` is `Downloading`, `Extracting` or `Pushing`."""

    def close(self) -> None:
        """It is over, in whatever way."""


def short(digest: str) -> str:
    """The twelve digits that stand for a layer on the screen."""
    return digest.partition(":")[2][:12]
