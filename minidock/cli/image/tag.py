"""`minidock tag`: give an image one more name."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("source", metavar="IMAGE", type=IMAGE)
@usage.argument("target", metavar="NAME[:TAG]")
@usage.pass_paths
def tag(paths: Paths, source: str, target: str) -> None:
    """Give an image another name."""
    from minidock.engine.images import tag

    tag.tag_image(paths.root, source, target)
