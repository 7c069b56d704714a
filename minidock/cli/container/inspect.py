"""`minidock container inspect`: show everything about containers, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import CONTAINER
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.state_paths import Paths

SIZE = usage.option("-s", "--size", is_flag=True, help="Show how much a container has written, too.")


@usage.command(context_settings=HELP)
@FORMAT
@usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=CONTAINER)
@SIZE
@usage.pass_paths
def inspect(paths: Paths, template: str | None, names: tuple[str, ...], size: bool) -> int:
    """Show everything about containers."""
    from minidock.engine.container import recovery

    recovery.sweep_all(paths.root)
    return show(names, partial(container_described, paths.root, size=size), template)


def container_described(root: str, name: str, *, size: bool) -> dict[str, Any]:
    """The container called `name` as inspect shows it, with what it has written if `size`."""
    from minidock.engine.container import records
    from minidock.engine.inspect import inspect_container

    return inspect_container.container(records.find(root, name), size=size)
