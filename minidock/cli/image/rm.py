"""`minidock rmi` and `image rm`: remove names of images, and images with their last name."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import PLATFORM
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError, message_of


@usage.command(context_settings=HELP)
@usage.option("-f", "--force", is_flag=True, help="Remove all names, even if a container uses the image.")
@PLATFORM
@usage.option("--no-prune", is_flag=True, expose_value=False, help="Without effect: none are below it.")
@usage.argument("names", metavar="IMAGE...", nargs=-1, required=True, type=IMAGE)
@usage.pass_paths
def rm(paths: Paths, force: bool, platform: str, names: tuple[str, ...]) -> int:
    """Remove names of images, and images with their last name."""
    from minidock.engine.container import recovery
    from minidock.engine.images.find_image import check_platform
    from minidock.engine.images.rm import remove_image
    from minidock.errors import NotFoundError
    from minidock.image.store import Store

    recovery.sweep_all(paths.root)  # a container that was killed with its monitor uses nothing any more
    code = 0
    for name in names:
        try:
            if platform:
                check_platform(Store(paths.root).resolve(name), name, platform)
            for line in remove_image(paths.root, name, force=force):
                echo(line)
        except (MinidockError, OSError) as error:
            echo(f"minidock: {message_of(error)}", err=True)
            code = code if force and isinstance(error, NotFoundError) else 1
    return code
