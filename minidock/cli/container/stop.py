"""`minidock stop`: send containers their stop signal, and SIGKILL some time later."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import RUNNING_CONTAINERS
from minidock.cli.flags.stop_signal import SIGNAL, TIMEOUT
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@SIGNAL
@TIMEOUT
@RUNNING_CONTAINERS
@usage.pass_paths
def stop(paths: Paths, names: tuple[str, ...], timeout: int | None, signal: str) -> int:
    """Stop containers: with their stop signal, and SIGKILL some time later."""
    from minidock.engine.container import recovery
    from minidock.engine.container.stop import stop_container

    recovery.sweep_all(paths.root)
    return for_each(names, lambda name: stop_container(paths.root, name, timeout, signal=signal))
