"""`minidock image inspect`: show everything about images, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import PLATFORM
from minidock.cli.flags.entity_names import IMAGE
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@FORMAT
@usage.argument("names", metavar="IMAGE...", nargs=-1, required=True, type=IMAGE)
@PLATFORM
@usage.pass_paths
def inspect(paths: Paths, template: str | None, names: tuple[str, ...], platform: str) -> int:
    """Show everything about images."""
    from minidock.engine.container import recovery

    recovery.sweep_all(paths.root)
    return show(names, partial(image_described, paths.root, platform=platform), template)


def image_described(root: str, name: str, *, platform: str = "") -> dict[str, Any]:
    """The image called `name` as inspect shows it; one for another platform is no answer."""
    from minidock.engine.images.find_image import check_platform
    from minidock.engine.inspect import inspect_container
    from minidock.image.store import Store

    store = Store(root)
    found = store.resolve(name)
    check_platform(found, name, platform)
    return inspect_container.image(found, store.references(found.id))
