"""`minidock commit`: make an image of what a container has changed."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import check_root, flag
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-a", "--author", default="", help='Who made it ("Jane Doe <jane@example.org>").')
@usage.option("-c", "--change", multiple=True, metavar="INSTRUCTION", help="Apply a Dockerfile instruction.")
@usage.option("-m", "--message", default="", help="What the history says.")
@flag("-p --pause", "Pause the container meanwhile.", default=True)
@usage.argument("container", type=CONTAINER)
@usage.argument("name", metavar="[NAME[:TAG]]", required=False)
@usage.pass_paths
def commit(
    paths: Paths, author: str, change: tuple[str, ...], message: str, pause: bool, container: str, name: str | None
) -> None:
    """Make an image of what CONTAINER has changed, and show its id."""
    from minidock.engine.container import recovery
    from minidock.engine.files import commit
    from minidock.image import reference

    check_root()
    recovery.sweep_all(paths.root)
    options = commit.CommitOptions(reference.parse(name) if name else None, author, message, change, pause)
    echo(commit.commit_container(paths.root, container, options).id)
