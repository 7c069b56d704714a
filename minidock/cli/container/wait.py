"""`minidock wait`: wait until containers have ended, and print their exit codes."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import CONTAINERS
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@CONTAINERS
@usage.pass_paths
def wait(paths: Paths, names: tuple[str, ...]) -> int:
    """Wait until containers have ended, and print their exit codes."""
    from minidock.engine.container import recovery
    from minidock.engine.container.wait import wait_for_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: echo(wait_for_container(paths.root, name)), quiet=True)
