"""`minidock pause`: freeze all processes of containers."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import RUNNING_CONTAINERS
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@RUNNING_CONTAINERS
@usage.pass_paths
def pause(paths: Paths, names: tuple[str, ...]) -> int:
    """Freeze all processes of containers."""
    from minidock.engine.container import recovery
    from minidock.engine.container.pause import pause_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: pause_container(paths.root, name))
