"""`minidock network inspect`: show everything about networks, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import NETWORK
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@FORMAT
@usage.option("-v", "--verbose", is_flag=True, help="Also what the bridge's interface counts.")
@usage.argument("names", metavar="NETWORK...", nargs=-1, required=True, type=NETWORK)
@usage.pass_paths
def inspect(paths: Paths, template: str | None, verbose: bool, names: tuple[str, ...]) -> int:
    """Show everything about networks: who is on them, with addresses, cables and what went through those."""
    from minidock.engine.container import recovery

    recovery.sweep_all(paths.root)
    return show(names, partial(network_described, paths.root, verbose=verbose), template)


def network_described(root: str, name: str, *, verbose: bool = False) -> dict[str, Any]:
    """The network called `name` as inspect shows it."""
    from minidock.engine.inspect import inspect_network
    from minidock.engine.networks import networks

    return inspect_network.network(root, networks.find(root, name), verbose=verbose)
