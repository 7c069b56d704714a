"""`minidock rename`: give a container another name."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths


@click.command(context_settings=HELP)
@click.argument("name", metavar="CONTAINER", type=CONTAINER)
@click.argument("new", metavar="NEW_NAME")
@click.pass_obj
def rename(paths: Paths, name: str, new: str) -> None:
    """Give a container another name."""
    from minidock.engine.container.rename import rename_container

    rename_container(paths.root, name, new)
