"""`minidock image prune`: remove images that nobody needs."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_reclaimed, print_removed
from minidock.engine.state_paths import Paths

_DANGLING = "This will remove all dangling images."
_UNUSED = "This will remove all images without at least one container associated to them."


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "unused", is_flag=True, help="Remove all images that no container uses.")
@FORCE
@filter_option("dangling, label, label! or until.")
@usage.pass_paths
def prune(paths: Paths, unused: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove images without a name, and what is left of images that are gone."""
    from minidock.engine.container import recovery
    from minidock.engine.images import prune
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, image_filters.FOR_PRUNE)
    unused = image_filters.wants_unused(wanted, unused=unused)
    if not confirmed(_UNUSED if unused else _DANGLING, force=force):
        return
    recovery.sweep_all(paths.root)
    pruned = prune.prune_images(paths.root, unused=unused, filters=wanted)
    print_removed("Images", pruned.lines)
    print_reclaimed(pruned.size, pruned.warning)
