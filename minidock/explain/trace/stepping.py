"""`--explain=step`: wait for the user before each step, so that a class can look at the half-made container.

Only the process of that step waits. Once a container's program runs, it has the terminal, and the rest is written
without stops. Quitting (or Ctrl-C) makes the step fail before its first call; everything that was created is then
removed by the same code, in the same order, as after any failure.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import termios

from minidock.explain.trace import texts
from minidock.explain.trace.block_style import BlockStyle, is_taken_over
from minidock.explain.trace.blocks import Block, Event
from minidock.explain.trace.trace_output import Output
from minidock.recorder import trace_socket

_TERMINAL = "/dev/tty"
_LONGEST_LINE = 4096
_ANSWERS = ("", "s", "c", "q")
_IFLAG, _OFLAG, _LFLAG = 0, 1, 3  # in what tcgetattr(3) returns


class StepStyle(BlockStyle):
    """`free`: no step waits any more. `wanted`: do not stop before a step whose title contains this text."""

    def __init__(self, output: Output, words: texts.Texts) -> None:
        super().__init__(output, words, brief=False)
        self.free, self.wanted = False, ""
        self.latest = 0
        # Ctrl-C writes a byte to a pipe (signal.set_wakeup_fd): so it is noticed however early it comes, also by a wait
        # that has not begun yet, and interrupts no line that is being written.
        self.interrupted, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            self.terminal: int | None = os.open(_TERMINAL, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.terminal, self.free = None, True
            self.output.write(f"{words.labels['not_steppable']}\n")

    def take(self, event: Event, reply: socket.socket | None) -> None:
        for block in self.builder.add(event):
            self.write_block(block)
        if is_taken_over(event):
            self.free = self.output.waits_in_raw_mode = True
        answer = trace_socket.GO
        if event.what == "begins" and not self.free:
            self.number += 1
            self.numbers[event.pid, event.content[0]] = self.number
            if self._is_wanted(event.content[0]):
                self.brief = False
                self._announce(event)
                answer = self._ask() if reply else answer
        if reply:
            trace_socket.answer(reply, answer)

    def write_block(self, block: Block) -> None:
        """Write one block, without its heading if that was written before the step."""
        number = self.numbers.get((block.pid, block.title))
        if number is None or block.again:
            super().write_block(block)
            return
        self.count(block)
        if self.brief:
            self.output.write(self.renderer.line(number, block))
            return
        if number != self.latest:
            self.output.write(self.renderer.heading(number, block.title, who=block.who, pid=block.pid))
        self.show(self.renderer.body(block, self.processes) + "\n")
        self.latest = 0

    def finish(self) -> None:
        """Also report if the step that the user skipped to never came."""
        super().finish()
        if self.wanted:
            self.output.write(f"{self.texts.labels['skipped_past'].format(name=self.wanted)}\n")

    def _is_wanted(self, title: str) -> bool:
        names = (title.lower(), self.texts.step(title)[0].lower())
        return not self.wanted or any(self.wanted.lower() in name for name in names)

    def _announce(self, event: Event) -> None:
        title, key, _ = event.content
        self.latest = self.number
        self.output.write(self.renderer.heading(self.number, title, who=event.who, pid=event.pid))
        self.output.write(self.renderer.why(title, key))

    def _ask(self) -> bytes:
        """Ask what to do with the step just announced. Skipped or undone steps are written in brief."""
        self.wanted = ""
        prompt = self.texts.labels["prompt"].format(number=self.number)
        while True:  # after a mistyped answer ask again: it may have been meant to stop
            word, _, rest = self._line(f"     {prompt} ").strip().partition(" ")
            name = rest.strip()
            if word == "s" and not self.texts.is_step(name):
                self.output.write(f"     {self.texts.labels['unknown_step'].format(name=name)}\n")
            elif word in _ANSWERS:
                break
        self.wanted = name if word == "s" else ""
        self.brief = bool(self.wanted) or word == "q"
        self.free = word in ("c", "q")
        return trace_socket.QUIT if word == "q" else trace_socket.GO

    def _line(self, prompt: str) -> str:
        """A typed line; Ctrl-C and the end of input mean quitting."""
        assert self.terminal is not None
        before = termios.tcgetattr(self.terminal)
        by_line = [*before]  # the terminal may be in raw mode already
        by_line[_IFLAG] |= termios.ICRNL
        by_line[_OFLAG] |= termios.OPOST
        by_line[_LFLAG] |= termios.ICANON | termios.ECHO | termios.ISIG
        termios.tcsetattr(self.terminal, termios.TCSANOW, by_line)
        try:
            self.output.write(prompt)  # only now can an answer be read
            ready, _, _ = select.select([self.terminal, self.interrupted], [], [])
            if self.interrupted in ready:
                self.output.write("\n")
                return "q"
            line = os.read(self.terminal, _LONGEST_LINE)
        finally:
            termios.tcsetattr(self.terminal, termios.TCSANOW, before)
        return line.decode(errors="replace") if line else "q"
