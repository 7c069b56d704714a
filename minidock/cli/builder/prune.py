"""`minidock builder prune`: away with what builds keep."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.common import check_root
from minidock.cli.flags.size import Size
from minidock.engine.paths import Paths

_DANGLING = "WARNING! This will remove all dangling build cache."
_ALL = "WARNING! This will remove all build cache."


@click.command(context_settings=HELP)
@click.option("-a", "--all", "everything", is_flag=True, help="Also what images have: every step is done again.")
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="until, unused-for or id.")
@click.option("--keep-storage", "keep", type=Size(), default=0, metavar="BYTES", help="How much may stay.")
@click.pass_obj
def prune(paths: Paths, everything: bool, force: bool, filters: tuple[str, ...], keep: int) -> None:
    """Remove the layers of steps that no image has, and cache mounts."""
    check_root()
    from minidock.build import care
    from minidock.cli.format.units import size
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import recovery
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, care.FOR_PRUNE)
    if not force and not confirmed(_ALL if everything else _DANGLING):
        return
    recovery.sweep_all(paths.root)
    pruned = care.prune(paths.root, wanted, everything=everything, keep=keep)
    if pruned.names:
        click.echo("Deleted build cache objects:\n" + "".join(f"{name}\n" for name in pruned.names))
    click.echo(f"Total reclaimed space: {size(pruned.size, 4)}")
