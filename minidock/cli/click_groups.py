"""The command line as click knows it, made from the tables of `commands.py`: for help, and whatever is unusual."""

from __future__ import annotations

import os
from typing import Any

import click

from minidock.cli import explain_flag
from minidock.cli.commands import ABSENT, ALIASES, COMMANDS, HELP, NOUNS, ROOT, Table, load
from minidock.cli.flag_spelling import understood
from minidock.cli.flags.unsupported import DAEMON
from minidock.errors import EXIT_ENGINE, UsageError

# `color`: click takes colours out of what goes into a pipe; but what is printed there is data (see `screen.py`).
_SETTINGS = {"help_option_names": ["--help"], "color": True}


def _not_here(name: str) -> UsageError:
    why = f": {ABSENT[name]}" if ABSENT[name] else ""
    return UsageError(f"docker's '{name}' is not part of minidock{why}", exit_code=EXIT_ENGINE)


class Group(click.Group):
    """A noun with the commands of a table."""

    table: Table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = ALIASES.get(cmd_name, cmd_name) if self.name in NOUNS else cmd_name
        if cmd_name not in self.table:
            return None
        command = load(self.table[cmd_name]).to_click()
        if explain_flag.has(self.name or "", cmd_name):
            explain_flag.declare(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if f"{self.name} {args[0]}" in ABSENT:
            raise _not_here(f"{self.name} {args[0]}")
        name, command, words = super().resolve_command(ctx, args)
        if command and name and explain_flag.has(self.name or "", name):
            words = explain_flag.take(command, words)
        if command and not isinstance(command, click.Group):
            words = understood(command, words)
        return name, command, words

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in self.table.items()] or [("(none yet)", "")])


class TopLevel(Group):
    """`minidock`: the nouns, and the commands that need none."""

    table = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.table, *NOUNS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return noun(cmd_name) if cmd_name in NOUNS else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in ABSENT:
            raise _not_here(args[0])
        if args[0] == "help":
            args = [*args[1:], "--help"]
        if args[0] == "--help":
            click.echo(ctx.get_help())
            ctx.exit()
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        with formatter.section("Nouns, each with commands of its own"):
            formatter.write_dl([(name, help_) for name, (table, help_) in NOUNS.items() if table])


def noun(name: str) -> Group:
    """The group of commands that begin with `name`."""
    group = Group(name, help=f"{NOUNS[name][1]}.", context_settings=HELP)
    group.table = NOUNS[name][0]
    return group


def _daemon_flags(function: Any) -> Any:
    for flag in reversed(DAEMON):
        function = flag.to_click()(function)
    return function


@click.group(cls=TopLevel, invoke_without_command=False, context_settings=_SETTINGS)
@ROOT.to_click()
@click.option("-D", "--debug", is_flag=True, help="Show a traceback for an error.")
@click.option("--config", metavar="DIRECTORY", help="Where registries' credentials are kept [~/.docker].")
@_daemon_flags
@click.version_option(None, "-v", "--version", package_name="minidock", message="minidock version %(version)s")
@click.pass_context
def cli(ctx: click.Context, root: str | None, debug: bool, config: str | None) -> None:
    """A container runtime in pure Python that shows how Docker works."""
    from minidock.engine import state_paths

    if config:
        os.environ["DOCKER_CONFIG"] = config
    ctx.obj = state_paths.choose(root)
