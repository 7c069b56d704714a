"""`minidock container prune`: containers that do not run, removed."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.prune_report import print_removed
from minidock.engine.paths import Paths

_WARNING = "WARNING! This will remove all stopped containers."


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="label, label! or until.")
@click.pass_obj
def prune(paths: Paths, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all containers that do not run. Their volumes stay."""
    from minidock.cli.format.units import size
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import recovery
    from minidock.engine.container.prune import FOR_PRUNE, prune_containers
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, FOR_PRUNE)
    if not force and not confirmed(_WARNING):
        return
    recovery.sweep_all(paths.root)
    pruned = prune_containers(paths.root, wanted)
    print_removed("Deleted Containers", pruned.ids)
    click.echo(f"Total reclaimed space: {size(pruned.size, 4)}")
