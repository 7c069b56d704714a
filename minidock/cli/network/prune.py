"""`minidock network prune`: remove unused networks."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.pruning import FORCE, confirmed, filter_option, print_removed
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@FORCE
@filter_option("label, label! or until.")
@usage.pass_paths
def prune(paths: Paths, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all networks that were made by users and that no running container is on."""
    from minidock.engine.container import recovery
    from minidock.engine.networks import networks
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, networks.FOR_PRUNE)
    warning = "This will remove all custom networks not used by at least one container."
    if not confirmed(warning, force=force):
        return
    recovery.sweep_all(paths.root)
    removed = networks.prune(paths.root, wanted)
    print_removed("Networks", [network.name for network in removed])
