"""`minidock course show`: the page of a stage."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.course import stages


@click.command(context_settings=HELP)
@click.argument("number", metavar="STAGE")
@click.option("--solution", is_flag=True, help="Show a program that does it, instead of the page.")
@click.option("--directory", is_flag=True, help="Show where its page and its solution are.")
def show(number: str, solution: bool, directory: bool) -> None:
    """Show what a stage is about: what, why, what to look at, what breaks without it."""
    stage = stages.find(number)
    if directory:
        click.echo(stage.directory)
        return
    click.echo(stage.solution if solution else stage.page, nl=False)
