"""`minidock network reload`: write the packet filter's rules anew, after somebody has flushed them."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.pass_paths
def reload(paths: Paths) -> None:
    """Write all rules of the packet filter anew, as running containers need them."""
    from minidock.engine.container import records, recovery
    from minidock.engine.networks import reload

    with records.all_locked(paths.root):
        recovery.sweep(paths.root)
        reload.reload(paths.root)
