"""Flags as docker's users write them."""

from __future__ import annotations

import click
import pytest

from minidock.cli.flag_spelling import understood
from minidock.errors import UsageError


@click.command()
@click.option("-f", "--filter", multiple=True)
@click.option("-n", "--last", type=int)
@click.option("-a", "--all", is_flag=True)
@click.option("-q", "--quiet", is_flag=True)
@click.option("-t/-T", "--tty/--no-tty")
@click.argument("names", nargs=-1)
def command() -> None:
    """Any command."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-e", "--env")
@click.option("-i", "--interactive", is_flag=True)
@click.argument("words", nargs=-1)
def program() -> None:
    """A command that is followed by somebody else's."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-f=name=web", "-f name=web"),
        ("-aqf=x=y web", "-aqf x=y web"),
        ("-f name=web -n=3", "-f name=web -n 3"),
        ("-fx=y", "-fx=y"),
        ("--filter=a=b --last 2", "--filter=a=b --last 2"),
        ("--all=true -q=1", "--all -q"),
        ("--all=false web -q=F", "web"),
        ("-at=false", "-a -T"),
        ("--tty=0", "-T"),
        ("-f -a=true", "-f -a=true"),  # the filter's value
        ("web -a=true -- -q=true", "web -a -- -q=true"),
        ("-x=1 --nosuch=1", "-x=1 --nosuch=1"),
        ("- -f", "- -f"),
    ],
)
def test_what_is_understood(words: str, expected: str) -> None:
    assert understood(command, words.split()) == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [("-e=A=1 -i=true alpine env -e=2 -i=true", "-e A=1 -i alpine env -e=2 -i=true"), ("-i env -i=x", "-i env -i=x")],
)
def test_a_program_s_words_are_its_own(words: str, expected: str) -> None:
    assert understood(program, words.split()) == expected.split()


@pytest.mark.parametrize("word", ["-a=maybe", "--all=", "-qa=2"])
def test_what_is_neither_true_nor_false(word: str) -> None:
    with pytest.raises(UsageError, match="strconv"):
        understood(command, [word])
