"""`minidock image prune`."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.engine.paths import Paths

_DANGLING = "WARNING! This will remove all dangling images."
_UNUSED = "WARNING! This will remove all images without at least one container associated to them."


@click.command(context_settings=HELP)
@click.option("-a", "--all", "unused", is_flag=True, help="Remove all images that no container uses.")
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="dangling, label, label! or until.")
@click.pass_obj
def prune(paths: Paths, unused: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove images without a name, and what is left of images that are gone."""
    from minidock.cli.format.units import size
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import recovery
    from minidock.engine.images import prune
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, image_filters.FOR_PRUNE)
    unused = image_filters.wants_unused(wanted, unused=unused)
    if not force and not confirmed(_UNUSED if unused else _DANGLING):
        return
    recovery.sweep_all(paths.root)
    pruned = prune.prune_images(paths.root, unused=unused, filters=wanted)
    if pruned.lines:
        click.echo("Deleted Images:\n" + "".join(f"{line}\n" for line in pruned.lines))
    click.echo(f"Total reclaimed space: {size(pruned.size, 4)}")
    if pruned.warning:
        click.echo(f"WARNING: {pruned.warning}", err=True)
