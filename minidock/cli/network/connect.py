"""`minidock network connect`: connect a container to a network, running or not."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import CONTAINER, NETWORK
from minidock.cli.flags.unsupported import ENDPOINT
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("--alias", multiple=True, metavar="NAME", help="Another name on the network.")
@usage.option("--ip", metavar="ADDRESS", help="IPv4 address on the network.")
@usage.option("--ip6", metavar="ADDRESS", help="IPv6 address on the network.")
@usage.option("--link", multiple=True, metavar="CONTAINER[:ALIAS]", help="Know another container by an alias.")
@usage.option("--gw-priority", type=int, default=0, metavar="N", help="The highest of a container's is its way out.")
@usage.with_parameters(ENDPOINT)
@usage.argument("network", type=NETWORK)
@usage.argument("container", type=CONTAINER)
@usage.pass_paths
def connect(paths: Paths, /, network: str, container: str, **flags: Any) -> None:
    """Connect CONTAINER to NETWORK: one more interface, at once if it runs and at every start from now on."""
    from minidock.engine.container import recovery
    from minidock.engine.networks import connect_container
    from minidock.engine.request import network_flags

    recovery.sweep_all(paths.root)
    for line in connect_container.connect(paths.root, network, container, network_flags.attachment(flags)):
        echo(f"WARNING: {line}", err=True)
