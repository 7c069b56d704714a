"""`minidock kill`: send containers a signal."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import RUNNING_CONTAINERS
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-s", "--signal", "signal", default="KILL", metavar="SIGNAL", help="Which signal [KILL].")
@RUNNING_CONTAINERS
@usage.pass_paths
def kill(paths: Paths, names: tuple[str, ...], signal: str) -> int:
    """Send containers a signal."""
    from minidock.engine.container import recovery
    from minidock.engine.container.kill import kill_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: kill_container(paths.root, name, signal))
