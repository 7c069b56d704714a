"""Commands about containers."""

from __future__ import annotations

from typing import Any

import click

from minidock.engine.paths import Paths
from minidock.errors import MinidockError, message_of


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-f", "--force", is_flag=True, help="Kill and remove a running container too.")
@click.option("-l", "--link", is_flag=True, help="Remove a link, CONTAINER/ALIAS, and no container.")
@click.option("-v", "--volumes", is_flag=True, help="Remove the volumes as well that were given no name.")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def rm(paths: Paths, force: bool, link: bool, volumes: bool, names: tuple[str, ...]) -> int:
    """Remove containers, each on its own: one that cannot be removed does not keep the others."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import remove as removal

    cleanup.sweep_all(paths.root)

    def remove(name: str) -> None:
        if link:
            from minidock.engine.networks import legacy_links

            legacy_links.unlink(paths.root, name)
            return
        removal.remove(paths.root, name, force=force, volumes=volumes)

    return for_each(names, remove, forgiving=force)


def for_each(names: tuple[str, ...], work: Any, *, forgiving: bool = False, quiet: bool = False) -> int:
    """Do `work` for every name and print the name, unless `quiet`; 1 if any failed.

    `forgiving`: what is not there is no failure.
    """
    from minidock.errors import NotFoundError

    code = 0
    for name in names:
        try:
            work(name)
            if not quiet:
                click.echo(name)
        except (MinidockError, OSError) as error:
            click.echo(f"minidock: {message_of(error)}", err=True)
            code = code if forgiving and isinstance(error, NotFoundError) else 1
    return code
