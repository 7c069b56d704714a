"""The interface for the progress of a transfer. The engine decides what a user sees of it."""

from __future__ import annotations


class Progress:
    """Its methods are called during a pull or push, by several threads. This one shows nothing."""

    def say(self, line: str) -> None:
        """A line of its own: `latest: Pulling from library/alpine`."""

    def status(self, layer: str, status: str) -> None:
        """A layer, by its short id, has reached a state: `Download complete`."""

    def advance(self, layer: str, action: str, done: int, total: int) -> None:
        """`done` of `total` bytes of the layer are transferred; `action` is `Downloading`, `Extracting`
        or `Pushing`.
        """

    def close(self) -> None:
        """The transfer has ended, successfully or not."""


def short(digest: str) -> str:
    """The twelve digits that are shown for a layer."""
    return digest.partition(":")[2][:12]
