"""`minidock system service`: the Engine API, for docker's own clients."""

from __future__ import annotations

import os

import click

from minidock.cli.commands import HELP
from minidock.engine.paths import Paths


@click.command(context_settings=HELP)
@click.option("--socket", "path", metavar="PATH", help="Where to listen [/run/minidock/docker.sock].")
@click.option("--timeout", type=click.IntRange(min=0), default=300, metavar="SECONDS",
              help="End after so long without a client; 0: never [300].")  # fmt: skip
@click.pass_obj
def service(paths: Paths, path: str | None, timeout: int) -> None:
    """Serve the Engine API: DOCKER_HOST=unix:///run/minidock/docker.sock docker ps."""
    from minidock.api import listening
    from minidock.api.service import Service
    from minidock.cli.flags.common import check_root
    from minidock.engine.paths import run_directory

    check_root()
    inherited = listening.from_systemd()
    if inherited and path is None:
        Service(paths, inherited, timeout).run()
        return
    where = os.path.abspath(path or os.path.join(run_directory(), "docker.sock"))
    with listening.at(where) as listener:
        Service(paths, [listener], timeout).run()
