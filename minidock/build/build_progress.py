"""What a user sees of a build: numbered steps with their times, as BuildKit's plain progress has them.

Each step's end says in one line whether it came from the cache, and why. On a terminal: `progress_terminal.py`.
"""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from minidock.build.graph import SCRATCH, Node
from minidock.build.reasons import Reason, Say, in_words

_KEPT = 10  # lines of a step's output that are shown once more if it fails
_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"  # ECMA-48, 5.4 and 5.6
LAYERED = ("ADD", "COPY", "RUN", "WORKDIR")  # what makes a layer is a step; all else changes the configuration only


class Job:
    """One step. `state`: running, cached, done, failed or canceled; `tail`: the last lines that it has printed."""

    def __init__(self, number: int, title: str) -> None:
        self.number = number
        self.title = title
        self.began = time.monotonic()
        self.ended = 0.0
        self.state = "running"
        self.reason: Reason | None = None
        self.notes: list[str] = []
        self.tail: deque[str] = deque(maxlen=_KEPT)
        self.rest = b""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return (self.ended or time.monotonic()) - self.began


class Progress:
    """Follows the steps of a build; who shows them overrides what is below. `words` gives the texts of reasons."""

    def __init__(self, words: Say, output: TextIO | None = None) -> None:
        self.words = words
        self.output = output or sys.stderr
        self.jobs: list[Job] = []
        self.open: dict[int, Job] = {}
        self.own: Job | None = None
        self.total = 0
        self.began = time.monotonic()

    def expect(self, nodes: Iterable[Node]) -> None:
        """Which stages are going to be built."""
        for node in nodes:
            self.total += sum(each.name in LAYERED for each in node.stage.instructions)
            self.total += isinstance(node.base, str) and node.base != SCRATCH

    def told(self, node: Node, kind: str, content: dict[str, Any]) -> None:
        """One event of a stage (`scheduler.py`)."""
        if kind == "begin":
            job = Job(len(self.jobs) + 1, content["title"])
            self.jobs.append(job)
            self.open[node.number] = job
            self.total = max(self.total, len(self.jobs))
            self.on_begin(job)
            return
        opened = self.open.get(node.number)
        if opened is None:
            return
        if kind == "output":
            self._output(opened, content["data"])
        elif kind == "line":
            opened.notes.append(content["text"])
            self.on_line(opened, content["text"])
        elif kind in ("end", "failed"):
            self._end(node, opened, kind, content)

    def _end(self, node: Node, job: Job, kind: str, content: dict[str, Any]) -> None:
        if job.rest:
            self._line(job, job.rest)
        del self.open[node.number]
        job.ended = time.monotonic()
        job.state = "failed" if kind == "failed" else "cached" if content["cached"] else "done"
        job.reason = content.get("reason")
        self.on_end(job, content.get("message", ""))

    def why(self, job: Job) -> str:
        """The reason in words."""
        return in_words(job.reason, self.words) if job.reason else ""

    def _output(self, job: Job, data: bytes) -> None:
        *lines, job.rest = (job.rest + data).split(b"\n")
        for line in lines:
            self._line(job, line)

    def _line(self, job: Job, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        job.tail.append(f"{precise(job.seconds)} {text}")
        self.on_output(job, text)

    def failures(self) -> list[str]:
        """What the failed steps have printed last, to be shown after everything else."""
        found = []
        for job in self.jobs:
            if job.state == "failed":
                found += ["------", f" > {job.title}:", *map(harmless, job.tail), "------"]
        return found

    def on_begin(self, job: Job) -> None:
        """A step has begun."""

    def on_line(self, job: Job, text: str) -> None:
        """Something is said of a step that is under way."""

    def on_output(self, job: Job, text: str) -> None:
        """A command has printed a line."""

    def on_end(self, job: Job, message: str) -> None:
        """A step is over; `message` of one that failed."""

    def tick(self) -> None:
        """Time goes by."""

    def say(self, line: str) -> None:
        """One line: of the step that the command itself is at (`doing`), or of none."""
        if self.own:
            self.own.notes.append(line)
            self.on_line(self.own, line)
        else:
            self.on_say(line)

    def on_say(self, line: str) -> None:
        """One line that belongs to no step."""

    @contextmanager
    def doing(self, title: str) -> Iterator[None]:
        """A step that is no line of the Dockerfile."""
        self.own = job = Job(len(self.jobs) + 1, title)
        self.jobs.append(job)
        self.total += 1
        self.on_begin(job)
        try:
            yield
            job.state = "done"
        except BaseException:
            job.state = "canceled"
            raise
        finally:
            job.ended = time.monotonic()
            self.own = None
            self.on_end(job, "")

    def close(self) -> None:
        """The build is over, or was broken off."""
        for job in self.open.values():
            job.state, job.ended = "canceled", time.monotonic()
        self.open.clear()


class Plain(Progress):
    """Lines, one after the other."""

    def on_begin(self, job: Job) -> None:
        self.on_say(f"#{job.number} {job.title}")

    def on_line(self, job: Job, text: str) -> None:
        self.on_say(f"#{job.number} {text}")

    def on_output(self, job: Job, text: str) -> None:
        self.on_say(f"#{job.number} {precise(job.seconds)} {text}")

    def on_end(self, job: Job, message: str) -> None:
        why = f" ({self.why(job)})" if job.reason else ""
        words = {"failed": f"ERROR: {message}", "cached": f"CACHED{why}", "canceled": "CANCELED"}
        self.on_say(f"#{job.number} {words.get(job.state) or f'DONE {job.seconds:.1f}s{why}'}")

    def on_say(self, line: str) -> None:
        print(line, file=self.output, flush=True)

    def close(self) -> None:
        for job in self.open.values():
            self.on_say(f"#{job.number} CANCELED")
        super().close()
        for line in self.failures():
            self.on_say(line)


class Quiet(Progress):
    """Nothing, but what the failed step has printed."""

    def close(self) -> None:
        super().close()
        for line in self.failures():
            print(line, file=self.output, flush=True)


def precise(seconds: float) -> str:
    """Seconds with four digits in all, as BuildKit has them before each line: 0.123, 12.34, 123.4."""
    return f"{seconds:.{3 if seconds < 10 else 2 if seconds < 100 else 1}f}"


def harmless(text: str) -> str:
    """What a command has printed, as a terminal may show it: no colours, no movements of the cursor.

    Of a line that overwrites itself (a progress bar's), what was there last.
    """
    last = next((part for part in reversed(re.sub(_ESCAPES, "", text).split("\r")) if part), "")
    return "".join(char if char.isprintable() else " " if char == "\t" else "�" for char in last)
