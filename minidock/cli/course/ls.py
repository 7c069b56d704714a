"""`minidock course list`: the stages."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.course import course_stages


@usage.command("ls", context_settings=HELP)
def ls() -> None:
    """List the stages of the course."""
    echo(f"{'STAGE':<8}{'LINES':<8}{'HOLES':<8}WHAT")
    for stage in course_stages.STAGES:
        lines = len(stage.solution.splitlines())
        echo(f"{stage.number:<8}{lines:<8}{stage.holes or '-':<8}{stage.title}")
    echo("\nminidock course show 1     what the first stage is about\nminidock course start 1    a program to fill in")
