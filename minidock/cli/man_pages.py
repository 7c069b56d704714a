"""`python -m minidock.cli.man_pages DIRECTORY`: a man page for each command, made from what its --help is made of.

Run by `make man` and when a wheel is built; nothing else needs it, or the library that writes roff (click-man).
"""

from __future__ import annotations

import os
import sys

import click
from click_man.core import write_man_pages

from minidock import __version__
from minidock.cli.click_groups import TopLevel, cli, noun
from minidock.cli.commands import COMMANDS, NOUNS, Table


def write(directory: str) -> list[str]:
    """Write all pages below `directory`. Returns their paths, sorted. SOURCE_DATE_EPOCH dates them."""
    os.makedirs(directory, exist_ok=True)
    write_man_pages("minidock", _tree(), version=__version__, target_dir=directory)
    return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".1"))


def _tree() -> click.Group:
    """All commands, imported, with their lines of the overview: click-man asks no group for what it has not yet."""
    top = _filled(TopLevel(name="minidock"), COMMANDS, cli.help or "")
    top.params = cli.params
    for name, (table, help_) in NOUNS.items():
        top.commands[name] = _filled(noun(name), table, f"{help_}.")
    return top


def _filled(group: TopLevel | click.Group, table: Table, help_: str) -> click.Group:
    group.help, group.short_help = help_, help_.rstrip(".")
    context = click.Context(group)
    for name, (_, _, line) in table.items():
        command = group.get_command(context, name)
        assert command is not None
        command.short_help = line
        command.help = "\n\n".join(map(_paragraph, (command.help or line).split("\n\n")))
        group.commands[name] = command
    return group


def _paragraph(text: str) -> str:
    """A paragraph for roff. Lines that stay as they are have a mark of click's before them; man(7) has .nf and .fi."""
    return f".nf\n{text.removeprefix(chr(8)).lstrip()}\n.fi" if text.startswith(chr(8)) else text


if __name__ == "__main__":
    write(sys.argv[1])
