"""`minidock network prune`: unused networks, removed."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.engine.paths import Paths


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="label, label! or until.")
@click.pass_obj
def prune(paths: Paths, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all networks that were made by users and that no running container is on."""
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import recovery
    from minidock.engine.networks import networks
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, networks.FOR_PRUNE)
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if not force and not confirmed(warning):
        return
    recovery.sweep_all(paths.root)
    removed = networks.prune(paths.root, wanted)
    if removed:
        click.echo("Deleted Networks:\n" + "".join(f"{network.name}\n" for network in removed))
