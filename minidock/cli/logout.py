"""`minidock logout`: forget the credentials for a registry."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo


@usage.command(context_settings=HELP)
@usage.argument("server", required=False)
def logout(server: str | None) -> None:
    """Forget the credentials for a registry (Docker Hub if none is named)."""
    from minidock.engine.images import login
    from minidock.image.registry.registry_settings import credentials_key

    registry = login.registry_of(server)
    if login.logout(registry):
        echo(f"Removing login credentials for {credentials_key(registry)}")
    else:
        echo(f"Not logged in to {registry}")
