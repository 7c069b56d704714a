"""`minidock network create`: create a network."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.unsupported import NETWORK
from minidock.engine.state_paths import Paths
from minidock.network.network_drivers import DEFAULT, NAMES


@usage.command(context_settings=HELP)
@usage.option("-d", "--driver", default=DEFAULT, help=f"What makes the network: {' or '.join(NAMES)}.")
@usage.option("--subnet", "subnets", multiple=True, metavar="NET/PREFIX", help="Addresses of the network.")
@usage.option("--gateway", "gateways", multiple=True, metavar="ADDRESS", help="The way out: a bridge's own address.")
@usage.option("--ip-range", "ranges", multiple=True, metavar="NET/PREFIX", help="Addresses for containers.")
@usage.option("--aux-address", "reserved", multiple=True, metavar="NAME=ADDRESS", help="An address for no container.")
@usage.option("--internal", is_flag=True, help="No way out of this network.")
@usage.option("--ipv6", is_flag=True, help="IPv6 addresses too.")
@usage.option("--attachable", is_flag=True, help="For swarms in docker; means nothing here.")
@usage.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Set a label.")
@usage.option("-o", "--opt", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the driver.")
@usage.with_parameters(NETWORK)
@usage.argument("name", metavar="NETWORK")
@usage.pass_paths
def create(paths: Paths, /, name: str, **flags: Any) -> None:
    """Make a network, a bridge of its own unless --driver says otherwise, and print its id."""
    from minidock.cli.flags import key_values
    from minidock.cli.flags.common import check_root
    from minidock.engine.networks import networks
    from minidock.engine.networks.network_options import NetworkOptions
    from minidock.engine.request import values

    check_root()
    asked = NetworkOptions(
        name=name,
        driver=flags["driver"],
        subnets=list(flags["subnets"]),
        gateways=list(flags["gateways"]),
        ranges=list(flags["ranges"]),
        reserved=values.key_values(flags["reserved"]),
        internal=flags["internal"],
        ipv6=flags["ipv6"],
        attachable=flags["attachable"],
        labels=key_values.labels(flags["labels"]),
        options=values.key_values(flags["options"]),
    )
    echo(networks.create(paths.root, asked).id)
