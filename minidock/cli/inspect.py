"""`minidock inspect`: show everything about things of any kind, as JSON in docker's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.container.inspect import SIZE, container_described
from minidock.cli.flags.entity_names import ANYTHING
from minidock.cli.image.inspect import image_described
from minidock.cli.inspect_output import FORMAT, show
from minidock.cli.network.inspect import network_described
from minidock.cli.volume.inspect import volume_described
from minidock.engine.state_paths import Paths
from minidock.errors import NotFoundError, UsageError


@usage.command(context_settings=HELP)
@FORMAT
@SIZE
@usage.option("--type", "kind", metavar="TYPE", help="Only look among these: container, image, network or volume.")
@usage.argument("names", metavar="NAME...", nargs=-1, required=True, type=ANYTHING)
@usage.pass_paths
def inspect(paths: Paths, template: str | None, size: bool, kind: str | None, names: tuple[str, ...]) -> int:
    """Show everything about containers, images, networks and volumes."""
    from minidock.engine.container import recovery

    finders = _finders(paths.root, size=size)
    if kind is not None and kind not in finders:
        raise UsageError(f'unknown type: "{kind}": must be one of ' + ", ".join(f'"{name}"' for name in finders))
    recovery.sweep_all(paths.root)
    return show(names, finders[kind] if kind else partial(_any, finders), template)


Finders = dict[str, Callable[[str], dict[str, Any]]]


def _finders(root: str, *, size: bool) -> Finders:
    """How each kind of thing is looked up, in the order in which docker does."""
    return {
        "container": partial(container_described, root, size=size),
        "image": partial(image_described, root),
        "network": partial(network_described, root),
        "volume": partial(volume_described, root),
    }


def _any(finders: Finders, name: str) -> dict[str, Any]:
    for find in finders.values():
        try:
            return find(name)
        except NotFoundError:
            continue
    raise NotFoundError(f"No such object: {name}")
