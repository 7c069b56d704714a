"""`minidock volume rm`: remove volumes."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import VOLUME
from minidock.engine.state_paths import Paths


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="Do not mind one that is not there.")
@click.argument("names", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@click.pass_obj
def rm(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove volumes that no container has, and what is in them."""
    from minidock.cli.for_each import for_each
    from minidock.engine.container import recovery
    from minidock.engine.volumes import rm

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: rm.remove_volume(paths.root, name, force=force))
