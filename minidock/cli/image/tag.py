"""`minidock tag`: give an image one more name."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths


@click.command(context_settings=HELP)
@click.argument("source", metavar="IMAGE", type=IMAGE)
@click.argument("target", metavar="NAME[:TAG]")
@click.pass_obj
def tag(paths: Paths, source: str, target: str) -> None:
    """Give an image another name."""
    from minidock.engine.images import tag

    tag.tag_image(paths.root, source, target)
