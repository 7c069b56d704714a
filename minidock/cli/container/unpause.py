"""`minidock unpause`: let paused containers go on."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import PAUSED_CONTAINER
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=PAUSED_CONTAINER)
@usage.pass_paths
def unpause(paths: Paths, names: tuple[str, ...]) -> int:
    """Let paused containers go on."""
    from minidock.engine.container import recovery
    from minidock.engine.container.unpause import unpause_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: unpause_container(paths.root, name))
