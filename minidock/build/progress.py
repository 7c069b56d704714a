"""What a user sees of a build: numbered steps with their times, as BuildKit's plain progress has them.

Each step's end says in one line whether it came from the cache, and why.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple, TextIO

from minidock.build.graph import Node
from minidock.build.reasons import Say, in_words


class _Open(NamedTuple):
    number: int
    began: float
    rest: bytes


class Plain:
    """Lines, one after the other. `words` gives the texts of reasons; `output`: where lines go."""

    def __init__(self, words: Say, output: TextIO | None = None) -> None:
        self.words = words
        self.output = output or sys.stderr
        self.count = 0
        self.open: dict[int, _Open] = {}
        self.tail: list[str] = []

    def told(self, node: Node, kind: str, content: dict[str, Any]) -> None:
        """One event of a stage (`scheduler.py`)."""
        if kind == "begin":
            self.count += 1
            self.open[node.number] = _Open(self.count, time.monotonic(), b"")
            self.tail = []
            self.say(f"#{self.count} {content['title']}")
        elif kind == "output":
            self._output(node, content["data"])
        elif kind == "line":
            self.say(f"#{self._number(node)} {content['text']}")
        elif kind == "end":
            self._flush(node)
            opened = self.open.pop(node.number)
            why = in_words(content["reason"], self.words)
            if content["cached"]:
                self.say(f"#{opened.number} CACHED ({why})")
            else:
                self.say(f"#{opened.number} DONE {time.monotonic() - opened.began:.1f}s ({why})")
        elif kind == "failed":
            self._flush(node)
            self.say(f"#{self._number(node)} ERROR: {content['message']}")

    def say(self, line: str) -> None:
        """One line."""
        print(line, file=self.output, flush=True)

    def close(self) -> None:
        """The build is over."""

    def _number(self, node: Node) -> int:
        return self.open[node.number].number if node.number in self.open else self.count

    def _output(self, node: Node, data: bytes) -> None:
        opened = self.open.get(node.number)
        if opened is None:
            return
        *lines, rest = (opened.rest + data).split(b"\n")
        for line in lines:
            self._line(opened, line)
        self.open[node.number] = opened._replace(rest=rest)

    def _line(self, opened: _Open, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.say(f"#{opened.number} {time.monotonic() - opened.began:.3f} {text}")
        self.tail = [*self.tail[-9:], text]

    def _flush(self, node: Node) -> None:
        opened = self.open.get(node.number)
        if opened and opened.rest:
            self._line(opened, opened.rest)
            self.open[node.number] = opened._replace(rest=b"")


class Quiet(Plain):
    """Nothing, but what went wrong."""

    def say(self, line: str) -> None:
        """Nothing."""
