"""`minidock course show`: the page of a stage."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.course import course_stages


@usage.command(context_settings=HELP)
@usage.argument("number", metavar="STAGE")
@usage.option("--solution", is_flag=True, help="Show a program that does it, instead of the page.")
@usage.option("--directory", is_flag=True, help="Show where its page and its solution are.")
def show(number: str, solution: bool, directory: bool) -> None:
    """Show what a stage is about: what, why, what to look at, what breaks without it."""
    stage = course_stages.find(number)
    if directory:
        echo(stage.directory)
        return
    echo(stage.solution if solution else stage.page, nl=False)
