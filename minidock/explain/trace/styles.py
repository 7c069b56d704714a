"""The ways of telling: `--explain=full`, `brief`, `json`, `step`, `shell`."""

from __future__ import annotations

import socket

from minidock.explain.trace import texts
from minidock.explain.trace.block_text import Renderer
from minidock.explain.trace.blocks import Block, Event, Story
from minidock.explain.trace.narrator import Style
from minidock.explain.trace.process_table import Scene
from minidock.explain.trace.short_names import Names
from minidock.explain.trace.trace_output import Output
from minidock.recorder import recorder


def make(style: str, file: str) -> Style:
    """The style of that name, writing to `file`, or to standard error if that is ''."""
    output = Output(file)
    if style == "json":
        from minidock.explain.trace.jsonl import Lines

        return Lines(output)
    if style == "shell":
        from minidock.explain.trace.script import Script

        return Script(output)
    if style == "step":
        from minidock.explain.trace.stepping import Stepping

        return Stepping(output, texts.here())
    return Narrative(output, texts.here(), brief=style == "brief")


class Narrative:
    """The styles `full` and `brief`: each block as soon as it is over."""

    def __init__(self, output: Output, words: texts.Texts, *, brief: bool) -> None:
        self.output = output
        self.texts = words
        self.brief = brief
        self.story, self.scene = Story(), Scene()
        self.renderer = Renderer(words, coloured=output.coloured, width=output.width, is_terminal=output.is_terminal)
        self.names, self.defined = Names(), list[str]()
        self.renderer.shorten = self._shorten
        self.number, self.calls = 0, 0
        self.numbers: dict[tuple[int, str], int] = {}  # by process and title: a step that goes on keeps its number
        self.processes: set[int] = set()

    def take(self, event: Event, reply: socket.socket | None) -> None:
        for block in self.story.take(event):
            self.tell(block)
        if is_taken_over(event):
            self.output.is_polite = True
        if event.what == "lost":
            self.output.write(f"     {self.texts.labels['lost'].format(size=event.content[0])}\n")
        if reply:
            recorder.answer(reply, recorder.GO)

    def tell(self, block: Block) -> None:
        """One block."""
        self.count(block)
        number = self.numbers.get((block.pid, block.title), 0) if block.again else 0
        if not number:
            self.number += 1
            number = self.numbers[block.pid, block.title] = self.number
        if not self.brief:
            self.show(self.renderer.block(number, block, self.scene) + "\n")
        elif not block.again:
            self.output.write(self.renderer.line(number, block))

    def count(self, block: Block) -> None:
        """Note what a block's calls have changed, and how many they are."""
        self.calls += len(block.calls)
        self.processes |= {call.pid for call in block.calls}
        for call in block.calls:
            self.scene.note(call)

    def show(self, text: str) -> None:
        """Write text, in which long paths have short names; of new ones it is said first what they stand for."""
        shortened = self._shorten(text)
        self.output.write(self.renderer.definitions(self.defined) + shortened)
        self.defined = []

    def _shorten(self, text: str) -> str:
        new, shortened = self.names.shorten(text)
        self.defined += new
        return shortened

    def finish(self) -> None:
        """What is not over, and how much it was."""
        for block in self.story.rest():
            self.tell(block)
        words = self.texts.labels["sum"].format(calls=self.calls, steps=self.number, processes=len(self.processes))
        self.output.write(f"     {words}\n")
        self.output.finish()


def is_taken_over(event: Event) -> bool:
    """Whether a container's process becomes its program: from here on the terminal is that program's."""
    return event.what == "execve" and event.who in ("container", "exec")
