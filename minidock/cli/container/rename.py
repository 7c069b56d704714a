"""`minidock rename`: give a container another name."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("name", metavar="CONTAINER", type=CONTAINER)
@usage.argument("new", metavar="NEW_NAME")
@usage.pass_paths
def rename(paths: Paths, name: str, new: str) -> None:
    """Give a container another name."""
    from minidock.engine.container.rename import rename_container

    rename_container(paths.root, name, new)
