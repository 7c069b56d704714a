"""Answers that a container's name server has given, for the next who asks the same: as long as no name has changed.

An answer depends on the question's bytes, on its number (which says which of several addresses comes first), and on
the files of the networks (`dns_names.py`). Each of these is replaced by a rename, which changes their directory.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from minidock.network import network_store

if TYPE_CHECKING:
    from minidock.network.dns_names import Names

_MOST = 1000  # questions, as what runs inside can ask as many different ones as it likes
# A change this soon after another could have the same time: file systems' clocks advance with the kernel's ticks.
_TICKS = 50_000_000  # nanoseconds


class Answers:
    """What `keep` was given, until names change. One thread reads, several may write."""

    def __init__(self, names: Names) -> None:
        self._directory = network_store.directory(names.root)
        self._names = names
        self._mark: object = None
        self._kept: dict[bytes, dict[int, bytes]] = {}

    def mark(self) -> object:
        """What is another whenever the answer to a question may be another; None if that cannot be told just now."""
        try:
            changed = os.stat(self._directory).st_mtime_ns
        except OSError:
            return None
        return (changed, self._names.links) if time.time_ns() - changed > _TICKS else None

    def find(self, question: bytes) -> bytes | None:
        """The answer to the message `question`, if it is known."""
        kept = self._kept.get(question[2:])
        if kept is None or self.mark() != self._mark:
            return None
        answer = kept.get(int.from_bytes(question[:2]) % len(kept))
        return question[:2] + answer if answer else None

    def keep(self, question: bytes, answer: bytes, rotations: int, mark: object) -> None:
        """Remember one of the `rotations` answers to a question; `mark` is from before names were looked up."""
        if mark is None or mark != self.mark():
            return
        if mark != self._mark or len(self._kept) >= _MOST:
            self._kept, self._mark = {}, mark
        answers = self._kept.setdefault(question[2:], dict.fromkeys(range(rotations), b""))
        answers[int.from_bytes(question[:2]) % rotations] = answer[2:]
