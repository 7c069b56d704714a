"""`minidock restart`: stop containers and start them again."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.container.start import start_detached
from minidock.cli.flags.common import CONTAINERS
from minidock.cli.flags.stop_signal import SIGNAL, TIMEOUT
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@SIGNAL
@TIMEOUT
@CONTAINERS
@usage.pass_paths
def restart(paths: Paths, names: tuple[str, ...], timeout: int | None, signal: str) -> int:
    """Stop containers that run, and start them again."""
    from minidock.engine.container import recovery
    from minidock.engine.container.restart import restart_container

    recovery.sweep_all(paths.root)

    return for_each(names, lambda name: restart_container(
        paths.root, name, timeout, lambda record: start_detached(paths, record.id), signal=signal))  # fmt: skip
