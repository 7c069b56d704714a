"""`minidock inspect` and `container inspect`: everything about things, as JSON in docker's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.common import PLATFORM
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.paths import Paths
from minidock.errors import NotFoundError, UsageError

_SIZE = click.option("-s", "--size", is_flag=True, help="Show how much a container has written, too.")
_NAMES = click.argument("names", metavar="NAME...", nargs=-1, required=True)


@click.command(context_settings=HELP)
@FORMAT
@_SIZE
@click.option("--type", "kind", metavar="TYPE", help="Only look among these: container, image, network or volume.")
@_NAMES
@click.pass_obj
def inspect(paths: Paths, template: str | None, size: bool, kind: str | None, names: tuple[str, ...]) -> int:
    """Show everything about containers, images, networks and volumes."""
    from minidock.engine.container import cleanup

    kinds = _kinds(paths.root, size=size)
    if kind is not None and kind not in kinds:
        raise UsageError(f'unknown type: "{kind}": must be one of ' + ", ".join(f'"{name}"' for name in kinds))
    cleanup.sweep_all(paths.root)
    return show(names, kinds[kind] if kind else partial(_any, kinds), template)


def _of(kind: str, help_: str) -> click.Command:
    """`minidock KIND inspect`."""

    @click.command("inspect", context_settings=HELP, help=help_)
    @FORMAT
    @click.argument("names", metavar=f"{kind.upper()}...", nargs=-1, required=True)
    @click.pass_obj
    def command(
        paths: Paths, template: str | None, names: tuple[str, ...], size: bool = False, platform: str = ""
    ) -> int:
        from minidock.engine.container import cleanup

        cleanup.sweep_all(paths.root)
        return show(names, _kinds(paths.root, size=size, platform=platform)[kind], template)

    more = {"container": _SIZE, "image": PLATFORM}.get(kind)
    return more(command) if more else command


container_inspect = _of("container", "Show everything about containers.")
image_inspect = _of("image", "Show everything about images.")
volume_inspect = _of("volume", "Show everything about volumes.")

Finders = dict[str, Callable[[str], dict[str, Any]]]


def _kinds(root: str, *, size: bool, platform: str = "") -> Finders:
    """How each kind of thing is looked up, in the order in which docker does."""

    def container(name: str) -> dict[str, Any]:
        from minidock.engine.container import records
        from minidock.engine.inspect import inspect_container

        return inspect_container.container(records.find(root, name), size=size)

    def image(name: str) -> dict[str, Any]:
        from minidock.engine.images.images import check_platform
        from minidock.engine.inspect import inspect_container
        from minidock.image.store import Store

        store = Store(root)
        found = store.resolve(name)
        check_platform(found, name, platform)
        return inspect_container.image(found, store.references(found.id))

    def volume(name: str) -> dict[str, Any]:
        from minidock.engine.volumes import volumes

        return volumes.find(root, name).describe()

    def network(name: str) -> dict[str, Any]:
        from minidock.engine.inspect import inspect_network
        from minidock.engine.networks import networks

        return inspect_network.network(root, networks.find(root, name))

    return {"container": container, "image": image, "network": network, "volume": volume}


def _any(kinds: Finders, name: str) -> dict[str, Any]:
    for find in kinds.values():
        try:
            return find(name)
        except NotFoundError:
            continue
    raise NotFoundError(f"No such object: {name}")
