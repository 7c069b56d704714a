"""`minidock network rm`: remove networks."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import NETWORK
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-f", "--force", is_flag=True, help="What is not there is no failure.")
@usage.argument("names", metavar="NETWORK...", nargs=-1, required=True, type=NETWORK)
@usage.pass_paths
def rm(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove networks that no running container is on."""
    from minidock.cli.for_each import for_each
    from minidock.engine.container import recovery
    from minidock.engine.networks import networks

    recovery.sweep_all(paths.root)
    if force:
        names = tuple(name for name in names if networks.is_known(paths.root, name))
    return for_each(names, lambda name: networks.remove(paths.root, name), forgiving=force)
