"""`minidock network disconnect`: disconnect a container from a network."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import CONTAINER, NETWORK
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-f", "--force", is_flag=True, help="Also one that is not there any more.")
@usage.argument("network", type=NETWORK)
@usage.argument("container", type=CONTAINER)
@usage.pass_paths
def disconnect(paths: Paths, force: bool, network: str, container: str) -> None:
    """Take CONTAINER off NETWORK."""
    from minidock.engine.container import recovery
    from minidock.engine.networks import connect_container

    recovery.sweep_all(paths.root)
    connect_container.disconnect(paths.root, network, container, force=force)
