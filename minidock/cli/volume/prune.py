"""`minidock volume prune`: remove volumes that no container has."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_reclaimed, print_removed
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

_UNNAMED = "This will remove anonymous local volumes not used by at least one container."
_UNUSED = "This will remove all local volumes not used by at least one container."


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Also remove those that were given a name.")
@FORCE
@filter_option("label, label! or all.")
@usage.pass_paths
def prune(paths: Paths, everything: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove volumes that no container has."""
    from minidock.engine.container import recovery
    from minidock.engine.volumes import prune, volume_filters

    wanted = volume_filters.parse(filters, volume_filters.FOR_PRUNE)
    if everything and "all" in wanted:
        raise UsageError("conflicting options: cannot specify both --all and --filter all=1")
    everything = everything or volume_filters.says_all(wanted)
    if not confirmed(_UNUSED if everything else _UNNAMED, force=force):
        return
    recovery.sweep_all(paths.root)
    pruned = prune.prune_volumes(paths.root, wanted, named=everything)
    print_removed("Volumes", pruned.names)
    print_reclaimed(pruned.size)
