"""`minidock system prune`: remove all that nobody uses."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_reclaimed, print_removed
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "unused", is_flag=True, help="Remove all images that no container uses.")
@FORCE
@usage.option("--volumes", is_flag=True, help="Also remove volumes that were given no name.")
@filter_option("label, label! or until.")
@usage.pass_paths
def prune(paths: Paths, unused: bool, force: bool, volumes: bool, filters: tuple[str, ...]) -> None:
    """Remove containers that do not run, networks and images that nobody uses, and what builds keep."""
    from minidock.build import cache_usage
    from minidock.engine.container import recovery
    from minidock.engine.container.prune import FOR_PRUNE, prune_containers
    from minidock.engine.images.prune import prune_images
    from minidock.engine.networks import networks
    from minidock.engine.volumes.prune import prune_volumes
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, FOR_PRUNE)
    if volumes and "until" in wanted:
        raise UsageError('The "until" filter is not supported with "--volumes"')
    if not confirmed(_warning(filters, unused=unused, volumes=volumes), force=force):
        return
    recovery.sweep_all(paths.root)
    # In this order, as each makes more of the next ones unused.
    old = prune_containers(paths.root, wanted)
    print_removed("Containers", old.ids)
    print_removed("Networks", [network.name for network in networks.prune(paths.root, wanted)])
    reclaimed = old.size
    if volumes:
        empty = prune_volumes(paths.root, wanted, named=False)
        print_removed("Volumes", empty.names)
        reclaimed += empty.size
    rest = prune_images(paths.root, unused=unused, filters=wanted)
    print_removed("Images", rest.lines)
    reclaimed += rest.size
    if wanted.keys() <= {"until"}:  # what builds keep has no labels
        cache = cache_usage.prune(paths.root, wanted, everything=unused)
        print_removed("build cache objects", cache.names)
        reclaimed += cache.size
    print_reclaimed(reclaimed, rest.warning)


def _warning(filters: tuple[str, ...], *, unused: bool, volumes: bool) -> str:
    """Docker's."""
    narrowed = ["\n  Items to be pruned will be filtered with:\n", *(f"  - {one}\n" for one in filters)]
    what = ["all stopped containers", "all networks not used by at least one container"]
    what += ["all anonymous volumes not used by at least one container"] * volumes
    what += ["all images without at least one container associated to them" if unused else "all dangling images"]
    what += ["all build cache" if unused else "unused build cache"]
    lines = ["This will remove:\n", *(f"  - {line}\n" for line in what)]
    return "".join([*lines, *(narrowed if filters else [])])
