"""Blocks for people: numbered, with the reason, the calls, where the code is, what to type."""

from __future__ import annotations

import textwrap

from minidock.explain import shown
from minidock.explain.steps import book, see, shell
from minidock.explain.steps.scene import Scene
from minidock.explain.steps.story import Block, CallMade
from minidock.explain.steps.texts import Texts

_MOST_COMMANDS = 12  # of equivalent shell commands for one block
_BOLD, _DIM, _CYAN, _GREEN, _RED, _YELLOW = "1", "2", "36", "32", "31", "33"


class Renderer:
    """Turns blocks into text, in the language of `texts`, with a terminal's colours if `coloured`.

    Sentences fit into `width` columns; what may be copied (calls, commands) is left on its line, however long.
    """

    def __init__(self, texts: Texts, *, coloured: bool, width: int) -> None:
        self.texts = texts
        self.coloured = coloured
        self.width = width

    def heading(self, number: int, title: str, *, who: str, pid: int, again: bool = False) -> str:
        """The line that a step begins with: its number and title, and whose it is."""
        shown = self.texts.step(title)[0] + (f" {self.texts.labels['again']}" if again else "")
        place = self._paint(f"{self.texts.process(who)}, pid {pid}", _DIM)
        return f"{self._paint(f'{number:>3}', _BOLD)}  {self._paint(shown, _BOLD)}  {place}\n"

    def why(self, title: str, key: str) -> str:
        """Why a step is there, and where the book speaks of it."""
        why, section = self.texts.step(title)[1], book.reference(key)
        rows = [self._paint(line, _CYAN) for line in self._wrapped(why)]
        rows += [self._row("book", section)] if section else []
        return "".join(f"{row}\n" for row in rows)

    def block(self, number: int, block: Block, scene: Scene) -> str:
        """All of a block."""
        head = self.heading(number, block.title, who=block.who, pid=block.pid, again=block.again)
        return head + ("" if block.again else self.why(block.title, block.book)) + self.body(block, scene)

    def body(self, block: Block, scene: Scene) -> str:
        """What comes below the heading: the calls, and where to look."""
        rows = [f"       {self._call(call, block)}" for call in block.calls]
        place = f"{block.place}  {_time(block.microseconds)}" if block.microseconds is not None else block.place
        if block.place:
            rows.append(self._row("code", place))
        commands = shell.commands(block.calls, scene)
        rows += [self._row("shell", command, _GREEN) for command in commands[:_MOST_COMMANDS]]
        if len(commands) > _MOST_COMMANDS:
            more = self.texts.labels["more"].format(count=len(commands) - _MOST_COMMANDS)
            rows.append(self._row("shell", more, _GREEN))
        rows += [self._row("see", look, _YELLOW) for look in see.looks(block.calls, scene)]
        return "".join(f"{row}\n" for row in rows)

    def definitions(self, rows: list[str]) -> str:
        """What short names stand for, to be copied."""
        if not rows:
            return ""
        head = f"     {self._paint(self.texts.labels['names'], _DIM)}\n"
        return head + "".join(f"     {self._paint(row, _YELLOW)}\n" for row in rows) + "\n"

    def line(self, number: int, block: Block) -> str:
        """A block on one line."""
        names = dict.fromkeys(call.name for call in block.calls)
        took = f" {_time(block.microseconds)}" if block.microseconds is not None else ""
        title = self.texts.step(block.title)[0]
        who = self._paint(f"[{self.texts.process(block.who)}]", _DIM)
        return f"{number:>3}  {self._paint(title, _BOLD)} {who} {', '.join(names)}{took}\n"

    def _wrapped(self, words: str) -> list[str]:
        """Lines that fit the terminal's width, indented."""
        indent = " " * 5
        return textwrap.wrap(
            words, self.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )

    def _call(self, call: CallMade, block: Block) -> str:
        by = f"[pid {call.pid}] " if call.pid != block.pid else ""
        if block.last and call is block.calls[-1]:
            return f"{by}{call.question} {self._paint(self.texts.labels['does_not_return'], _DIM)}"
        result = self._paint(call.answer, _RED) if call.failed else call.answer
        return f"{by}{call.question} = {result}"

    def _row(self, label: str, words: str, colour: str = "") -> str:
        """A labelled line; the lines of a longer text stand below each other."""
        first, *more = map(shown.text, words.split("\n"))
        indent = " " * 14
        lines = "\n".join([first, *(indent + line for line in more)])
        return f"     {self._paint(f'{self.texts.labels[label]:<7}', _DIM)}  {self._paint(lines, colour)}"

    def _paint(self, words: str, colour: str) -> str:
        return f"\x1b[{colour}m{words}\x1b[0m" if self.coloured and colour else words


def _time(microseconds: int) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 100 else f"{microseconds / 1000:.2f} ms"
