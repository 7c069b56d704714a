"""`minidock container prune`: remove containers that do not run."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_reclaimed, print_removed
from minidock.engine.state_paths import Paths

_WARNING = "This will remove all stopped containers."


@usage.command(context_settings=HELP)
@FORCE
@filter_option("label, label! or until.")
@usage.pass_paths
def prune(paths: Paths, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all containers that do not run. Their volumes stay."""
    from minidock.engine.container import recovery
    from minidock.engine.container.prune import FOR_PRUNE, prune_containers
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, FOR_PRUNE)
    if not confirmed(_WARNING, force=force):
        return
    recovery.sweep_all(paths.root)
    pruned = prune_containers(paths.root, wanted)
    print_removed("Containers", pruned.ids)
    print_reclaimed(pruned.size)
