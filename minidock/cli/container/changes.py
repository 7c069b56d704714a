"""`minidock diff`, `export` and `commit`: what a container has changed, shown or kept."""

from __future__ import annotations

import click

from minidock.cli.flags.common import check_root, flag
from minidock.engine.paths import Paths

_HELP = {"help_option_names": ["-h", "--help"]}


@click.command(context_settings=_HELP)
@click.argument("container")
@click.pass_obj
def diff(paths: Paths, container: str) -> None:
    """Show what CONTAINER has added (A), changed (C) and deleted (D)."""
    from minidock.engine.container import cleanup
    from minidock.engine.files import commit_container

    check_root()
    cleanup.sweep_all(paths.root)
    lines = [f"{kind} {path}\n" for kind, path in commit_container.changed(paths.root, container)]
    click.echo("".join(lines), nl=False)


@click.command(context_settings=_HELP)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
@click.argument("container")
@click.pass_obj
def export(paths: Paths, output: str | None, container: str) -> None:
    """Write all files of CONTAINER to a tar archive, without those of volumes."""
    from minidock.cli.image.save_load import deliver, refuse_terminal
    from minidock.engine.container import cleanup
    from minidock.engine.files import commit_container

    check_root()
    refuse_terminal(output)
    cleanup.sweep_all(paths.root)
    deliver(commit_container.exported(paths.root, container), output)


@click.command(context_settings=_HELP)
@click.option("-a", "--author", default="", help='Who made it ("Jane Doe <jane@example.org>").')
@click.option("-c", "--change", multiple=True, metavar="INSTRUCTION", help="Apply a Dockerfile instruction.")
@click.option("-m", "--message", default="", help="What the history says.")
@flag("-p --pause", "Pause the container meanwhile.", default=True)
@click.argument("container")
@click.argument("name", metavar="[NAME[:TAG]]", required=False)
@click.pass_obj
def commit(
    paths: Paths, author: str, change: tuple[str, ...], message: str, pause: bool, container: str, name: str | None
) -> None:
    """Make an image of what CONTAINER has changed, and show its id."""
    from minidock.engine.container import cleanup
    from minidock.engine.files import commit_container
    from minidock.image import reference

    check_root()
    cleanup.sweep_all(paths.root)
    options = commit_container.CommitOptions(reference.parse(name) if name else None, author, message, change, pause)
    click.echo(commit_container.commit_container(paths.root, container, options).id)
