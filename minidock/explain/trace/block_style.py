"""The styles `full` and `brief`: each block is written as soon as it is complete. `step` is built on them."""

from __future__ import annotations

import socket

from minidock.explain.trace import texts
from minidock.explain.trace.block_text import Renderer
from minidock.explain.trace.blocks import Block, BlockBuilder, Event
from minidock.explain.trace.process_table import ProcessTable
from minidock.explain.trace.short_names import Names
from minidock.explain.trace.trace_output import Output
from minidock.recorder import trace_socket


class BlockStyle:
    """The styles `full`, and `brief` with one line for each block. `words`: the texts in the user's language."""

    def __init__(self, output: Output, words: texts.Texts, *, brief: bool) -> None:
        self.output = output
        self.texts = words
        self.brief = brief
        self.builder, self.processes = BlockBuilder(), ProcessTable()
        self.renderer = Renderer(words, coloured=output.coloured, width=output.width, is_terminal=output.is_terminal)
        self.names, self.defined = Names(), list[str]()
        self.renderer.shorten = self._shorten
        self.number, self.calls = 0, 0
        self.numbers: dict[tuple[int, str], int] = {}  # by pid and step title: a step that continues keeps its number
        self.pids: set[int] = set()

    def take(self, event: Event, reply: socket.socket | None) -> None:
        for block in self.builder.add(event):
            self.write_block(block)
        if is_taken_over(event):
            self.output.waits_in_raw_mode = True
        if event.what == "lost":
            self.output.write(f"     {self.texts.labels['lost'].format(size=event.content[0])}\n")
        if reply:
            trace_socket.answer(reply, trace_socket.GO)

    def write_block(self, block: Block) -> None:
        """Write one block. One that continues a step has that step's number."""
        self.count(block)
        number = self.numbers.get((block.pid, block.title), 0) if block.again else 0
        if not number:
            self.number += 1
            number = self.numbers[block.pid, block.title] = self.number
        if not self.brief:
            self.show(self.renderer.block(number, block, self.processes) + "\n")
        elif not block.again:
            self.output.write(self.renderer.line(number, block))

    def count(self, block: Block) -> None:
        """Count a block's calls, and update the table of processes with them."""
        self.calls += len(block.calls)
        self.pids |= {call.pid for call in block.calls}
        for call in block.calls:
            self.processes.note(call)

    def show(self, text: str) -> None:
        """Write text with short names for long paths; the definitions of new names come before it."""
        shortened = self._shorten(text)
        self.output.write(self.renderer.definitions(self.defined) + shortened)
        self.defined = []

    def _shorten(self, text: str) -> str:
        new, shortened = self.names.shorten(text)
        self.defined += new
        return shortened

    def flush(self) -> None:
        """Write the blocks that are not complete; what follows in their steps will continue them."""
        for block in self.builder.remaining():
            self.write_block(block)

    def finish(self) -> None:
        """Write the blocks that are not complete, and the sum of calls, steps and processes."""
        self.flush()
        words = self.texts.labels["sum"].format(calls=self.calls, steps=self.number, processes=len(self.pids))
        self.output.write(f"     {words}\n")
        self.output.finish()


def is_taken_over(event: Event) -> bool:
    """Whether a container's process executes its program, which uses the terminal from then on."""
    return event.what == "execve" and event.who in ("container", "exec")
