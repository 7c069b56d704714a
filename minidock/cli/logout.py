"""`minidock logout`: credentials for a registry, forgotten."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP


@click.command(context_settings=HELP)
@click.argument("server", required=False)
def logout(server: str | None) -> None:
    """Forget the credentials for a registry (Docker Hub if none is named)."""
    from minidock.engine.images import pull_push
    from minidock.image.registry.settings import credentials_key

    registry = pull_push.registry_of(server)
    if pull_push.logout(registry):
        click.echo(f"Removing login credentials for {credentials_key(registry)}")
    else:
        click.echo(f"Not logged in to {registry}")
