"""Blocks as text: numbered, with the reason, the calls, the place in the code, and shell commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from minidock.explain import format_values
from minidock.explain.trace import book, look_commands, shell_commands
from minidock.explain.trace.blocks import Block, CallMade
from minidock.explain.trace.process_table import ProcessTable
from minidock.explain.trace.texts import Texts

_MOST_COMMANDS = 12  # of equivalent shell commands for one block
_OLD_TERMINAL = 80  # columns
_LEAST_ROOM_FOR_CALLS = 20  # columns, with the step's number and the blanks
_BOLD, _DIM, _CYAN, _GREEN, _RED, _YELLOW = "1", "2", "36", "32", "31", "33"


class Renderer:
    """Writes blocks as text, in the language of `texts`, with a terminal's colours if `coloured`.

    Sentences and headings fit into `width` columns. At a terminal (`is_terminal`) calls do too, broken between words;
    elsewhere a call is one line, for grep(1). Commands stay on one line, so that they can be copied.
    """

    def __init__(self, texts: Texts, *, coloured: bool, width: int, is_terminal: bool = False) -> None:
        self.texts = texts
        self.coloured = coloured
        self.width = width
        self.is_terminal = is_terminal
        self.shorten: Callable[[str], str] = lambda text: text  # replaces long paths, before a line is broken

    def heading(self, number: int, title: str, *, who: str, pid: int, again: bool = False) -> str:
        """The first line of a step: its number, title and process."""
        titled = self.texts.step(title)[0] + (f" {self.texts.labels['again']}" if again else "")
        place = f"{self.texts.process(who)}, pid {pid}"
        head, *more = textwrap.wrap(titled, self.width - 5, break_on_hyphens=False) or [""]
        rows = [f"{self._paint(f'{number:>3}', _BOLD)}  {self._paint(head, _BOLD)}"]
        rows += [f"     {self._paint(line, _BOLD)}" for line in more]
        last = len(more[-1] if more else head) + len("     " + "  ")
        beside = last + len(place) <= self.width
        return "\n".join(rows) + ("  " if beside else "\n     ") + f"{self._paint(place, _DIM)}\n"

    def why(self, title: str, key: str) -> str:
        """The reason for a step, and the book's section."""
        why, section = self.texts.step(title)[1], book.reference(key)
        rows = [self._paint(line, _CYAN) for line in self._wrapped(why)]
        whole = section.replace("p. ", "p.\N{NO-BREAK SPACE}")  # keeps "p." and the number on one line
        reference = "\n".join(textwrap.wrap(whole, self.width - 14, break_on_hyphens=False)).replace(
            *"\N{NO-BREAK SPACE} "
        )
        rows += [self._row("book", reference)] if section else []
        return "".join(f"{row}\n" for row in rows)

    def block(self, number: int, block: Block, processes: ProcessTable) -> str:
        """All of a block."""
        head = self.heading(number, block.title, who=block.who, pid=block.pid, again=block.again)
        return head + ("" if block.again else self.why(block.title, block.book)) + self.body(block, processes)

    def body(self, block: Block, processes: ProcessTable) -> str:
        """The part below the heading: the calls, and commands that show their effects."""
        rows = [line for call in block.calls for line in self._call(call, block)]
        place = f"{block.place}  {_time(block.microseconds)}" if block.microseconds is not None else block.place
        if block.place:
            rows.append(self._row("code", place))
        commands = shell_commands.commands(block.calls, processes)
        rows += [self._row("shell", command, _GREEN) for command in commands[:_MOST_COMMANDS]]
        if len(commands) > _MOST_COMMANDS:
            more = self.texts.labels["more"].format(count=len(commands) - _MOST_COMMANDS)
            rows.append(self._row("shell", more, _GREEN))
        rows += [self._row("see", look, _YELLOW) for look in look_commands.looks(block.calls, processes)]
        return "".join(f"{row}\n" for row in rows)

    def definitions(self, rows: list[str]) -> str:
        """The definitions of short names, to be copied."""
        if not rows:
            return ""
        head = f"     {self._paint(self.texts.labels['names'], _DIM)}\n"
        return head + "".join(f"     {self._paint(row, _YELLOW)}\n" for row in rows) + "\n"

    def line(self, number: int, block: Block) -> str:
        """A block on one line of a terminal; what does not fit is cut."""
        width = min(self.width, _OLD_TERMINAL)
        who = f"[{self.texts.short.get(block.who, block.who)}]"
        title = _cut(self.texts.step(block.title)[0], width - len(who) - _LEAST_ROOM_FOR_CALLS)
        names = ", ".join(dict.fromkeys(call.name for call in block.calls))
        took = f" {_time(block.microseconds)}" if block.microseconds is not None else ""
        room = width - len(f"{number:>3}  {title} {who} ")
        calls = names + took if len(names + took) <= room else _cut(names, room)
        return f"{number:>3}  {self._paint(title, _BOLD)} {self._paint(who, _DIM)} {calls}\n"

    def _wrapped(self, words: str) -> list[str]:
        """The text on lines that fit the width, indented."""
        indent = " " * 5
        return textwrap.wrap(words, self.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)

    def _call(self, call: CallMade, block: Block) -> list[str]:
        by = f"[pid {call.pid}] " if call.pid != block.pid else ""
        if block.last and call is block.calls[-1]:
            result, colour = f" {self.texts.labels['does_not_return']}", _DIM
        else:
            result, colour = f" = {call.answer}", _RED if call.failed else ""
        result = self.shorten(result)
        lines = self._broken(self.shorten(f"       {by}{call.question}") + result)
        if lines[-1].endswith(result):
            lines[-1] = lines[-1].removesuffix(result) + self._paint(result, colour)
        return lines

    def _broken(self, words: str) -> list[str]:
        """A call on lines that fit the terminal: broken at blanks and between flags."""
        if not self.is_terminal or len(words) <= self.width:
            return [words]
        lines, indent = [""], " " * 11
        for piece in re.findall(r" *[^ |]*[|]?", words):
            if lines[-1].strip() and len((lines[-1] + piece).rstrip()) > self.width:
                lines.append(indent + piece.lstrip())
            else:
                lines[-1] += piece
        return lines

    def _row(self, label: str, words: str, colour: str = "") -> str:
        """A labelled line; further lines of the text are indented below it."""
        first, *more = map(format_values.text, words.split("\n"))
        indent = " " * 14
        lines = "\n".join([first, *(indent + line for line in more)])
        return f"     {self._paint(f'{self.texts.labels[label]:<7}', _DIM)}  {self._paint(lines, colour)}"

    def _paint(self, words: str, colour: str) -> str:
        return f"\x1b[{colour}m{words}\x1b[0m" if self.coloured and colour else words


def _cut(words: str, room: int) -> str:
    return words if len(words) <= room else words[: max(room - 1, 0)].rstrip(" ,") + "\N{HORIZONTAL ELLIPSIS}"


def _time(microseconds: int) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 100 else f"{microseconds / 1000:.2f} ms"
