"""`minidock port`: show which ports of this host lead to a container's."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import RUNNING_CONTAINER
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("container", type=RUNNING_CONTAINER)
@usage.argument("private_port", metavar="[PRIVATE_PORT[/PROTO]]", required=False)
@usage.pass_paths
def port(paths: Paths, container: str, private_port: str | None) -> None:
    """Show which ports of the host lead to a container's, all of them or those to one."""
    from minidock.engine.container import records, recovery
    from minidock.engine.spec import published_ports
    from minidock.errors import MinidockError

    recovery.sweep_all(paths.root)
    record = records.find(paths.root, container)
    ports = published_ports.current(record)
    if private_port is None:
        lines = [f"{key} -> {place}" for key, places in ports.items() for place in places]
    else:
        lines = ports.get(private_port if "/" in private_port else f"{private_port}/tcp", [])
        if not lines:
            raise MinidockError(f"No public port '{private_port}' published for {container}")
    echo("".join(f"{line}\n" for line in lines), nl=False)
