"""`minidock volume inspect`: show everything about volumes, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import VOLUME
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@FORMAT
@usage.argument("names", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@usage.pass_paths
def inspect(paths: Paths, template: str | None, names: tuple[str, ...]) -> int:
    """Show everything about volumes."""
    from minidock.engine.container import recovery

    recovery.sweep_all(paths.root)
    return show(names, partial(volume_described, paths.root), template)


def volume_described(root: str, name: str) -> dict[str, Any]:
    """The volume called `name` as inspect shows it."""
    from minidock.engine.volumes import volumes

    return volumes.find(root, name).describe()
