"""`minidock top`: list a container's processes, as ps(1) on the host does."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import RUNNING_CONTAINER
from minidock.engine.state_paths import Paths

_WIDTH = 20  # of a column, with the three spaces behind it: docker's


@usage.command(context_settings={**HELP, "allow_interspersed_args": False})
@usage.argument("name", metavar="CONTAINER", type=RUNNING_CONTAINER)
@usage.argument("options", metavar="[ps OPTIONS]", nargs=-1)
@usage.pass_paths
def top(paths: Paths, name: str, options: tuple[str, ...]) -> None:
    """Show the processes of a container."""
    from minidock.engine.container import recovery
    from minidock.engine.inspect.top import processes

    recovery.sweep_all(paths.root)
    rows = processes(paths.root, name, " ".join(options).split())
    widths = [max(_WIDTH, *(len(row[n]) + 3 for row in rows if n < len(row) - 1), 0) for n in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(widths[n]) for n, cell in enumerate(row[:-1])]
        echo("".join([*cells, row[-1]]))
