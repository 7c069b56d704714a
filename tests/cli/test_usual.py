"""A command line that is read without click means what click makes of it, for every command and each of its flags."""

from __future__ import annotations

from itertools import pairwise

import click
import pytest

from minidock.cli import commands, usual
from minidock.cli.commands import Table
from minidock.cli.flag_spelling import understood
from minidock.cli.usage import Argument, Choice, Command, Option
from tests.cli.conftest import Run

TABLES: dict[str, Table] = {"": commands.COMMANDS, **{noun: table for noun, (table, _) in commands.NOUNS.items()}}
# Each command once, whatever its names.
ROWS = {row: f"{noun} {name}".strip() for noun, table in TABLES.items() for name, row in table.items()}
ROWS_BY_NAME = {name: row for row, name in ROWS.items()}
VALUES = ("7", "a=b", "1.5", "-1", "text")


def bare_words(command: Command) -> list[str]:
    """One for each argument."""
    kinds = [one.attributes.get("type") for one in command.parameters if isinstance(one, Argument)]
    return [kind.words[0] if isinstance(kind, Choice) else "a" for kind in kinds]


def lines(command: Command) -> list[list[str]]:
    """Command lines with each flag in each spelling, alone and beside others, with few and many bare words."""
    written = []
    for option in (one for one in command.parameters if isinstance(one, Option)):
        for word, value in usual.spellings(option):
            if value is not None:
                written += [[word], [f"{word}=true"]]
                continue
            written += [[word, text] for text in VALUES[:: 2 if option.words[0] == word else 4]] + [[word]]
            written += [[f"{word}={text}" if word.startswith("--") else f"{word}{text}"] for text in VALUES[1::3]]
    least = bare_words(command)
    pairs = [[*one, *other] for one, other in pairwise(written[::3])]
    more = (["--"], ["--nonsense"], ["-"], ["--help"], ["-h"], [""], [])
    return [
        *([*flags, *least] for flags in [[], *written, *pairs]),
        *([*least, *flags] for flags in written[::5]),
        *([*["a"] * count, *words] for count in range(4) for words in more),
    ]


def asked_of_click(command: click.Command, words: list[str]) -> dict[str, object] | None:
    try:
        with command.make_context("x", understood(command, words)) as context:
            return {
                param.name or "": context.params[param.name or ""] for param in command.params if param.expose_value
            }
    except Exception:
        return None


@pytest.mark.parametrize("name", ROWS_BY_NAME)
def test_what_is_read_is_what_click_reads(name: str) -> None:
    command = commands.load(ROWS_BY_NAME[name])
    clicks = command.to_click()
    understood_here = 0
    for words in lines(command):
        try:
            values = usual.read_parameters(command, words)
        except usual.UnusualError:
            continue
        understood_here += 1
        assert values == asked_of_click(clicks, words), words
    assert understood_here > 0


@pytest.mark.parametrize("name", ROWS_BY_NAME)
def test_every_flag_can_be_read_without_click(name: str) -> None:
    command = commands.load(ROWS_BY_NAME[name])
    least = bare_words(command)
    for option in (one for one in command.parameters if isinstance(one, Option) and "callback" not in one.attributes):
        for word, value in usual.spellings(option):
            tried = [[word]] if value is not None else [[word, text] for text in VALUES]
            read = 0
            for flags in tried:
                try:
                    usual.read_parameters(command, [*flags, *least])
                    read += 1
                except usual.UnusualError:
                    continue
            assert read or "type" in option.attributes, word


def test_click_says_what_is_wrong_from_the_first_word_on(run: Run) -> None:
    for words in (["ps", "--nonsense"], ["--root", "/nowhere", "rm"], ["run", "--memory", "much", "alpine"]):
        done = run.minidock(*words)
        assert done.returncode in (1, 125)
        assert done.stderr.count(b"\n") == 1
        assert b"(see 'minidock " in done.stderr
