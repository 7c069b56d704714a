"""`minidock system start` and `system stop`: for the machine's own start and end (minidock.service)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import click

from minidock.cli.commands import HELP
from minidock.cli.container.life import start_detached
from minidock.cli.container.rm import for_each
from minidock.engine.paths import Paths

_AT_ONCE = 64


@click.command(context_settings=HELP)
@click.pass_obj
def start(paths: Paths) -> int:
    """Start the containers that were running when the machine went down, as their restart policies want it."""
    from minidock.engine.container import boot, cleanup

    cleanup.sweep_all(paths.root)
    names = tuple(record.name for record in boot.to_start(paths.root))
    return for_each(names, lambda name: start_detached(paths, name))


@click.command(context_settings=HELP)
@click.pass_obj
def stop(paths: Paths) -> int:
    """Stop all containers, in a way that `system start` starts them again."""
    from minidock.engine.container import boot, cleanup

    cleanup.sweep_all(paths.root)
    running = {record.name: record for record in boot.to_stop(paths.root)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # each may need its whole --stop-timeout
        stopped = {name: pool.submit(boot.stop, record) for name, record in running.items()}
        return for_each(tuple(running), lambda name: stopped[name].result())
