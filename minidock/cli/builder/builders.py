"""What people ask docker's plug-in buildx about its builders, answered: here is one, in this process, always ready."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.engine.state_paths import Paths
from minidock.errors import NotFoundError

_NAME = "default"


def _platform() -> str:
    from minidock.build.variables import of_platforms

    return of_platforms("linux")["BUILDPLATFORM"]


@usage.command(context_settings=HELP)
def ls() -> None:
    """List builders."""
    from minidock import __version__

    echo(f"{'NAME/NODE':<20}{'DRIVER/ENDPOINT':<20}{'STATUS':<10}{'BUILDKIT':<12}PLATFORMS")
    echo(f"{_NAME + '*':<20}{'minidock':<20}")
    node = f" \\_ {_NAME}"
    echo(f"{node:<20}{node:<20}{'running':<10}{__version__:<12}{_platform()}")


@usage.command(context_settings=HELP)
@usage.argument("name", required=False, default=_NAME)
@usage.option("--bootstrap", is_flag=True, hidden=True)
@usage.pass_paths
def inspect(paths: Paths, name: str, bootstrap: bool) -> None:
    """Show the builder."""
    if name != _NAME:
        raise NotFoundError(f'no builder "{name}" found: there is one, called {_NAME}')
    echo(f"Name:   {_NAME}\nDriver: minidock\n\nNodes:\nName:      {_NAME}\nEndpoint:  {paths.root}")
    echo(f"Status:    running\nPlatforms: {_platform()}")


@usage.command(context_settings=HELP)
def version() -> None:
    """Show the version."""
    from minidock import __version__

    echo(f"minidock {__version__}: its builder, by the name of docker's plug-in")
