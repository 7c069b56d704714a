"""`minidock builder prune`: remove cached layers of steps, and cache mounts."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import check_root
from minidock.cli.flags.size import Size
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_reclaimed, print_removed
from minidock.engine.state_paths import Paths

_DANGLING = "This will remove all dangling build cache."
_ALL = "This will remove all build cache."


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Also what images have: every step is done again.")
@FORCE
@filter_option("until, unused-for or id.")
@usage.option("--keep-storage", "keep", type=Size(), default=0, metavar="BYTES", help="How much may stay.")
@usage.pass_paths
def prune(paths: Paths, everything: bool, force: bool, filters: tuple[str, ...], keep: int) -> None:
    """Remove the layers of steps that no image has, and cache mounts."""
    check_root()
    from minidock.build import cache_usage
    from minidock.engine.container import recovery
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, cache_usage.FOR_PRUNE)
    if not confirmed(_ALL if everything else _DANGLING, force=force):
        return
    recovery.sweep_all(paths.root)
    pruned = cache_usage.prune(paths.root, wanted, everything=everything, keep=keep)
    print_removed("build cache objects", pruned.names)
    print_reclaimed(pruned.size)
