"""`minidock save`: write images as one archive."""

from __future__ import annotations

from contextlib import suppress

from minidock.cli import usage
from minidock.cli.archive_streams import deliver, refuse_terminal
from minidock.cli.commands import HELP
from minidock.cli.flags.common import PLATFORM
from minidock.cli.flags.entity_names import FILE, IMAGE
from minidock.engine.state_paths import Paths
from minidock.errors import NotFoundError


@usage.command(context_settings=HELP)
@usage.option("-o", "--output", metavar="FILE", type=FILE, help="Write to a file instead of standard output.")
@PLATFORM
@usage.argument("names", metavar="IMAGE...", nargs=-1, required=True, type=IMAGE)
@usage.pass_paths
def save(paths: Paths, output: str | None, platform: str, names: tuple[str, ...]) -> None:
    """Save images to an archive that docker, podman and skopeo load too."""
    from minidock.engine.events import event_log
    from minidock.engine.images.find_image import check_platform
    from minidock.image.save import save_images
    from minidock.image.store import Store

    refuse_terminal(output)
    store = Store(paths.root)
    for name in names if platform else ():
        check_platform(store.resolve(name), name, platform)
    deliver(save_images(store, names), output)
    for name in names:
        with suppress(NotFoundError):  # a repository whose tags were all saved
            event_log.emit_image(paths.root, "save", store.resolve(name).id)
