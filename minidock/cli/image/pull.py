"""`minidock pull`: fetch an image from a registry."""

from __future__ import annotations

from contextlib import closing

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import content_trust
from minidock.cli.flags.entity_names import IMAGE
from minidock.cli.image.tag_flags import refuse_tag, with_default_tag
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-a", "--all-tags", is_flag=True, help="Pull all tags of the repository.")
@usage.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Pull for another machine than this one.")
@usage.option("-q", "--quiet", is_flag=True, help="Show only what was pulled.")
@content_trust(exit_code=1)
@usage.argument("name", metavar="NAME[:TAG|@DIGEST]", type=IMAGE)
@usage.pass_paths
def pull(paths: Paths, /, all_tags: bool, platform: str | None, quiet: bool, name: str) -> None:
    """Fetch an image from a registry."""
    from minidock.cli import screen
    from minidock.engine.images import pull
    from minidock.engine.images.progress_display import progress_on
    from minidock.image import reference
    from minidock.image.store import Store

    wanted = reference.parse_untagged(name)
    if all_tags:
        refuse_tag(wanted)
    with closing(progress_on(screen.canvas(), quiet=quiet)) as progress:
        if all_tags:
            pull.pull_all(Store(paths.root), wanted, progress, platform)
        else:
            wanted = with_default_tag(wanted, progress)
            pull.pull(Store(paths.root), wanted, progress, platform)
    echo(wanted.canonical)
