"""`minidock unpause`: paused containers go on."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.common import CONTAINERS
from minidock.cli.for_each import for_each
from minidock.engine.paths import Paths


@click.command(context_settings=HELP)
@CONTAINERS
@click.pass_obj
def unpause(paths: Paths, names: tuple[str, ...]) -> int:
    """Let paused containers go on."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: control.unpause(paths.root, name))
