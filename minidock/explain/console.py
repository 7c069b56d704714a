"""The output of xray and layers: coloured on a terminal, plain text in a pipe or a file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

from minidock.explain import format_values

PIPED_WIDTH = 120  # characters, unless COLUMNS says otherwise


def console() -> Console:
    """Standard output. Characters that its encoding lacks are escaped, so no file name can end the program."""
    from rich.console import Console

    out = sys.__stdout__ or sys.stdout  # not `cli/screen.py`, which escapes colours
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    width = None if out.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(file=out, highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def show(out: Console, parts: Iterable[RenderableType]) -> None:
    """Print `parts`, each as soon as it exists. Without colours, lines have no blanks at their ends."""
    for part in parts:
        is_whole = bool(getattr(part, "no_wrap", False))  # print forgets it
        if out.is_terminal:
            out.print(part, soft_wrap=is_whole)
            continue
        with out.capture() as captured:
            out.print(part, soft_wrap=is_whole)
        for line in captured.get().splitlines():
            print(line.rstrip())


def text(value: str, style: str = "") -> Text:
    """A text of unknown origin, escaped, in one style, which text that is appended to it does not have."""
    from rich.text import Text

    return Text().append(format_values.text(value), style)


def command(line: str) -> Text:
    """A command to be copied: on one line, however long it is."""
    typed = text(f"# {line}", "cyan")
    typed.no_wrap = True
    return typed


def columns(*titles: str, right: tuple[int, ...] = (), fold: tuple[int, ...] = (-1,)) -> Table:
    """A table without lines. Columns in `right` hold numbers; only those in `fold` (negative from the end) may wrap."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=any(titles), header_style="dim")
    wrapping = [place % len(titles) for place in fold]
    for place, title in enumerate(titles):
        table.add_column(
            title,
            justify="right" if place in right else "left",
            no_wrap=place not in wrapping,
            overflow="fold" if place in wrapping else "ellipsis",
        )
    return table
