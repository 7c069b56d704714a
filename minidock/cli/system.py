"""Commands about minidock itself and the host."""

from __future__ import annotations

import os
import platform

import click

from minidock import __version__
from minidock.engine.paths import Paths


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_obj
def info(paths: Paths) -> None:
    """Show what this host's kernel offers to containers, what is missing, and why that matters."""
    from minidock.engine import host, records, recovery
    from minidock.image.store import Store

    recovery.sweep_all(paths.root)
    all_records = records.load_all(paths.root)
    running = sum(record.status == records.RUNNING for record in all_records)
    uname = os.uname()
    lines = [
        f"minidock {__version__}, Python {platform.python_version()}",
        f"Kernel:      {uname.sysname} {uname.release} {uname.machine}",
        f"Root:        {paths.root}",
        f"Containers:  {len(all_records)} ({running} running)",
        f"Images:      {len(Store(paths.root).list())}",
    ]
    topic = ""
    for fact in host.facts():
        if fact.topic != topic:
            topic = fact.topic
            lines.append(f"{topic}:")
        lines.append(f"  {fact.name:<24} {'yes' if fact.there else f'missing: {fact.why}'}")
    click.echo("\n".join(lines))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def version() -> None:
    """Show the version of minidock and of what it stands on."""
    click.echo(f"minidock version {__version__}, Python {platform.python_version()}, Linux {os.uname().release}")
