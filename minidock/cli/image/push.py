"""`minidock push`: publish an image to a registry."""

from __future__ import annotations

from contextlib import closing

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import PLATFORM, content_trust
from minidock.cli.flags.entity_names import IMAGE
from minidock.cli.image.tag_flags import refuse_tag, with_default_tag
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-a", "--all-tags", is_flag=True, help="Push all tags of the repository.")
@usage.option("-q", "--quiet", is_flag=True, help="Show only what was pushed.")
@content_trust(exit_code=1)
@PLATFORM
@usage.argument("name", metavar="NAME[:TAG]", type=IMAGE)
@usage.pass_paths
def push(paths: Paths, /, all_tags: bool, quiet: bool, platform: str, name: str) -> None:
    """Publish an image to a registry."""
    from minidock.cli import screen
    from minidock.engine.images import find_image, push
    from minidock.engine.images.progress_display import progress_on
    from minidock.image import reference
    from minidock.image.store import Store

    wanted = reference.parse_untagged(name)
    if all_tags:
        refuse_tag(wanted)
    with closing(progress_on(screen.canvas(), quiet=quiet)) as progress:
        if all_tags:
            push.push_all(Store(paths.root), wanted, progress)
        else:
            wanted = with_default_tag(wanted, progress)
            if platform:
                find_image.check_platform(Store(paths.root).resolve(str(wanted)), str(wanted), platform)
            push.push_tag(Store(paths.root), wanted, progress)
    if quiet:
        echo(wanted.canonical)
