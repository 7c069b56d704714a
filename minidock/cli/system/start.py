"""`minidock system start`: start containers again at boot (minidock.service)."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.container.start import start_detached
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.pass_paths
def start(paths: Paths) -> int:
    """Start the containers that were running when the machine went down, as their restart policies want it."""
    from minidock.engine.container import boot, recovery

    recovery.sweep_all(paths.root)
    names = tuple(record.name for record in boot.to_start(paths.root))
    return for_each(names, lambda name: start_detached(paths, name))
