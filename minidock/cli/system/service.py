"""`minidock system service`: the Engine API, for docker's own clients."""

from __future__ import annotations

import os
from contextlib import ExitStack

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError


@usage.command(context_settings=HELP)
@usage.option("--socket", "path", metavar="PATH", help="Where to listen [/run/minidock/docker.sock].")
@usage.option("--timeout", type=usage.Range(0), default=300, metavar="SECONDS",
              help="End after so long without a client; 0: never [300].")  # fmt: skip
@usage.option("--tcp", "address", metavar="HOST:PORT", help="Listen there too, for clients with a certificate.")
@usage.option("--tlscacert", metavar="FILE", help="The authority that vouches for clients.")
@usage.option("--tlscert", metavar="FILE", help="This service's certificate.")
@usage.option("--tlskey", metavar="FILE", help="Its key.")
@usage.pass_paths
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
            echo(f"serving at DOCKER_HOST=unix://{where}", err=True)
        if address:
            from minidock.api.streams import server_tls as encryption

            tls = encryption.context(*(str(files[name]) for name in ("tlscacert", "tlscert", "tlskey")))
            listeners.append(stack.enter_context(listening.tcp(address)))
        Service(paths, listeners, timeout, tls).run()
