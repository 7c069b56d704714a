"""`minidock volume inspect`: show everything about volumes, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import VOLUME
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.state_paths import Paths


@click.command(context_settings=HELP)
@FORMAT
@click.argument("names", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@click.pass_obj
def inspect(paths: Paths, template: str | None, names: tuple[str, ...]) -> int:
    """Show everything about volumes."""
    from minidock.engine.container import recovery

    recovery.sweep_all(paths.root)
    return show(names, partial(volume_described, paths.root), template)


def volume_described(root: str, name: str) -> dict[str, Any]:
    """The volume called `name` as inspect shows it."""
    from minidock.engine.volumes import volumes

    return volumes.find(root, name).describe()
