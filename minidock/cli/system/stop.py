"""`minidock system stop`: stop all containers as the machine goes down (minidock-shutdown.service)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths

_AT_ONCE = 64


@usage.command(context_settings=HELP)
@usage.pass_paths
def stop(paths: Paths) -> int:
    """Stop all containers, in a way that `system start` starts them again."""
    from minidock.engine.container import boot, recovery

    recovery.sweep_all(paths.root)
    running = {record.name: record for record in boot.to_stop(paths.root)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # each may need its whole --stop-timeout
        stopped = {name: pool.submit(boot.stop_for_shutdown, record) for name, record in running.items()}
        return for_each(tuple(running), lambda name: stopped[name].result())
