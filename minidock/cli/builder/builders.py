"""What people ask docker's plug-in buildx about its builders, answered: here is one, in this process, always ready."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.engine.state_paths import Paths
from minidock.errors import NotFoundError

_NAME = "default"


def _platform() -> str:
    from minidock.build.variables import of_platforms

    return of_platforms("linux")["BUILDPLATFORM"]


@click.command(context_settings=HELP)
def ls() -> None:
    """List builders."""
    from minidock import __version__

    click.echo(f"{'NAME/NODE':<20}{'DRIVER/ENDPOINT':<20}{'STATUS':<10}{'BUILDKIT':<12}PLATFORMS")
    click.echo(f"{_NAME + '*':<20}{'minidock':<20}")
    node = f" \\_ {_NAME}"
    click.echo(f"{node:<20}{node:<20}{'running':<10}{__version__:<12}{_platform()}")


@click.command(context_settings=HELP)
@click.argument("name", required=False, default=_NAME)
@click.option("--bootstrap", is_flag=True, hidden=True)
@click.pass_obj
def inspect(paths: Paths, name: str, bootstrap: bool) -> None:
    """Show the builder."""
    if name != _NAME:
        raise NotFoundError(f'no builder "{name}" found: there is one, called {_NAME}')
    click.echo(f"Name:   {_NAME}\nDriver: minidock\n\nNodes:\nName:      {_NAME}\nEndpoint:  {paths.root}")
    click.echo(f"Status:    running\nPlatforms: {_platform()}")


@click.command(context_settings=HELP)
def version() -> None:
    """Show the version."""
    from minidock import __version__

    click.echo(f"minidock {__version__}: its builder, by the name of docker's plug-in")
