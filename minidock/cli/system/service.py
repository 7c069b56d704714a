"""`minidock system service`: the Engine API, for docker's own clients."""

from __future__ import annotations

import os
from contextlib import ExitStack

import click

from minidock.cli.commands import HELP
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError


@click.command(context_settings=HELP)
@click.option("--socket", "path", metavar="PATH", help="Where to listen [/run/minidock/docker.sock].")
@click.option("--timeout", type=click.IntRange(min=0), default=300, metavar="SECONDS",
              help="End after so long without a client; 0: never [300].")  # fmt: skip
@click.option("--tcp", "address", metavar="HOST:PORT", help="Listen there too, for clients with a certificate.")
@click.option("--tlscacert", metavar="FILE", help="The authority that vouches for clients.")
@click.option("--tlscert", metavar="FILE", help="This service's certificate.")
@click.option("--tlskey", metavar="FILE", help="Its key.")
@click.pass_obj
def service(paths: Paths, /, path: str | None, timeout: int, address: str | None, **files: str | None) -> None:
    """Serve the Engine API: DOCKER_HOST=unix:///run/minidock/docker.sock docker ps."""
    from minidock.api import listening
    from minidock.api.service import Service
    from minidock.cli.flags.common import check_root
    from minidock.engine.state_paths import run_directory

    check_root()
    if address and not all(files.values()):
        raise UsageError("TCP without TLS would let anybody in: --tcp needs --tlscacert, --tlscert and --tlskey")
    with ExitStack() as stack:
        tls, listeners = None, listening.from_systemd()
        if path or not listeners:
            where = os.path.abspath(path or os.path.join(run_directory(), "docker.sock"))
            listeners.append(stack.enter_context(listening.at(where)))
            click.echo(f"serving at DOCKER_HOST=unix://{where}", err=True)
        if address:
            from minidock.api.streams import server_tls as encryption

            tls = encryption.context(*(str(files[name]) for name in ("tlscacert", "tlscert", "tlskey")))
            listeners.append(stack.enter_context(listening.tcp(address)))
        Service(paths, listeners, timeout, tls).run()
