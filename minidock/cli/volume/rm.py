"""`minidock volume rm`: remove volumes."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import VOLUME
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-f", "--force", is_flag=True, help="Do not mind one that is not there.")
@usage.argument("names", metavar="VOLUME...", nargs=-1, required=True, type=VOLUME)
@usage.pass_paths
def rm(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove volumes that no container has, and what is in them."""
    from minidock.cli.for_each import for_each
    from minidock.engine.container import recovery
    from minidock.engine.volumes import rm

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: rm.remove_volume(paths.root, name, force=force))
