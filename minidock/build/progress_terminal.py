"""Progress on a terminal, drawn in place: a line for each step with its time, and the last lines of what runs.

As people know it from docker's buildx (BuildKit, util/progress/progressui): while a build runs, what fits the screen;
when it is over, all of it, which stays.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from typing import TextIO

from minidock.build.build_progress import Job, Plain, Progress, Quiet, harmless
from minidock.build.reasons import SAME, Say
from minidock.errors import UsageError

_EVERY = 0.1  # seconds between two drawings
_TAIL = 6  # lines of what a command has printed
_PLAIN = "\x1b[0m"
_STYLES = {"done": "\x1b[34m", "cached": "\x1b[34m", "failed": "\x1b[31m", "canceled": "\x1b[33m", "faint": "\x1b[2m"}


class Terminal(Progress):
    """`output`: a terminal."""

    def __init__(self, words: Say, output: TextIO | None = None) -> None:
        super().__init__(words, output)
        self.styled = not os.environ.get("NO_COLOR")
        self.said: list[str] = []
        self.drawn = 0  # lines of the last drawing
        self.last = 0.0  # when that was

    def on_begin(self, job: Job) -> None:
        self._draw()

    def on_line(self, job: Job, text: str) -> None:
        self._draw()

    def on_output(self, job: Job, text: str) -> None:
        self.tick()

    def on_end(self, job: Job, message: str) -> None:
        self._draw()

    def tick(self) -> None:
        if time.monotonic() - self.last >= _EVERY:
            self._draw()

    def on_say(self, line: str) -> None:
        self.said.append(line)
        self._draw()

    def close(self) -> None:
        """Draw everything, and leave it there."""
        super().close()
        self._draw(whole=True)
        for line in self.failures():
            print(line, file=self.output)
        self.output.flush()
        self.drawn = 0
        self.jobs.clear()

    def _draw(self, *, whole: bool = False) -> None:
        """Over the last drawing. All goes out in one write, so that nothing is seen half."""
        self.last = time.monotonic()
        try:
            width, height = os.get_terminal_size(self.output.fileno())
        except OSError:
            width, height = 80, 24
        width, height = width or 80, height or 24
        lines = [self._header(whole=whole), *self._lines(width, None if whole else height - 2)]
        text = f"\x1b[{self.drawn}A" if self.drawn else ""
        text += "".join(f"\r{line}\x1b[K\n" for line in lines)
        if self.drawn > len(lines):
            text += "\x1b[J"
        self.output.write(f"\x1b[?25l{text}\x1b[?25h")
        self.output.flush()
        self.drawn = len(lines)

    def _header(self, *, whole: bool) -> str:
        over = sum(job.state in ("cached", "done") for job in self.jobs)
        end = " FINISHED" if whole and over == self.total else ""
        return f"[+] Building {time.monotonic() - self.began:.1f}s ({over}/{self.total}){end}"

    def _lines(self, width: int, height: int | None) -> list[str]:
        """The steps in their order. Beyond `height` lines those that were over first are missing."""
        blocks = {job.number: self._block(job, width) for job in self.jobs}
        if height is not None:
            running = [job for job in self.jobs if job.state == "running"]
            while sum(len(blocks[job.number]) for job in running) > height and any(
                len(blocks[job.number]) > 1 for job in running
            ):
                longest = max((job.number for job in running), key=lambda number: len(blocks[number]))
                del blocks[longest][1]
            free = height - len(self.said) - sum(len(blocks[job.number]) for job in running)
            for job in reversed([job for job in self.jobs if job.state != "running"]):
                free -= len(blocks[job.number])
                if free < 0:
                    blocks[job.number] = []
        said = [self._styled("faint", _fit(f" => {harmless(line)}", width - 1)) for line in self.said]
        return [line for job in self.jobs for line in blocks[job.number]][: height or None] + said

    def _block(self, job: Job, width: int) -> list[str]:
        """A step's line with its time at the right, then what there is to say of it."""
        word = {"cached": "CACHED ", "failed": "ERROR ", "canceled": "CANCELED "}.get(job.state, "")
        timer = f"{job.seconds if job.seconds >= 0.05 else 0:.1f}s"
        name, room = f" => {word}{harmless(job.title)}", width - len(timer) - 2
        why = harmless(self.why(job))
        inline = bool(why) and job.reason == SAME and _columns(name) + len(why) + 3 <= room
        if inline:
            name += f" ({why})"
        first = f"{_fit(name, room)} {timer}"
        lines = [self._styled(job.state, first)]
        if job.state == "running":
            lines += [self._sub(text, width) for text in job.notes[-1:]]
            lines += [self._sub(f"# {harmless(line)}", width) for line in list(job.tail)[-_TAIL:]]
        elif job.notes and not job.reason:
            lines += [self._sub(text, width) for text in job.notes]
        elif why and not inline and job.reason != SAME:
            lines.append(self._sub(why, width))
        return lines

    def _sub(self, text: str, width: int) -> str:
        return self._styled("faint", _fit(f" => => {text}", width - 1).rstrip())

    def _styled(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_PLAIN}" if self.styled and style in _STYLES else text


def chosen(kind: str, words: Say, output: TextIO | None = None) -> Progress:
    """--progress: auto, tty, plain or quiet. Raises `UsageError` for tty where there is no terminal."""
    output = output or sys.__stderr__ or sys.stderr  # what is drawn has been made harmless (`harmless`)
    if kind == "quiet":
        return Quiet(words)
    if kind == "tty" and not output.isatty():
        raise UsageError("failed to get console: provided file is not a console: --progress=plain needs none")
    can_draw = output.isatty() and (kind == "tty" or os.environ.get("TERM") != "dumb")
    return Terminal(words, output) if kind in ("tty", "auto") and can_draw else Plain(words)


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _fit(text: str, columns: int) -> str:
    """Exactly so many columns: what is longer ends in "…", what is shorter is filled up with spaces."""
    if _columns(text) > columns:
        while _columns(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - _columns(text))
