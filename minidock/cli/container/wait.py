"""`minidock wait`: wait until containers have ended, and print their exit codes."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.common import CONTAINERS
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@click.command(context_settings=HELP)
@CONTAINERS
@click.pass_obj
def wait(paths: Paths, names: tuple[str, ...]) -> int:
    """Wait until containers have ended, and print their exit codes."""
    from minidock.engine.container import recovery
    from minidock.engine.container.wait import wait_for_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: click.echo(wait_for_container(paths.root, name)), quiet=True)
