"""Commands about containers."""

from __future__ import annotations

import json
from typing import Any

import click

from minidock.engine.paths import Paths
from minidock.errors import MinidockError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-a", "--all", "everything", is_flag=True, help="Also show containers that have ended.")
@click.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@click.option("--no-trunc", is_flag=True, help="Do not shorten.")
@click.pass_obj
def ps(paths: Paths, everything: bool, quiet: bool, no_trunc: bool) -> None:
    """List containers."""
    from minidock.cli import table
    from minidock.engine import records, recovery

    recovery.sweep_all(paths.root)
    shown = [r for r in records.load_all(paths.root) if everything or r.status == records.RUNNING]
    ids = [record.id if no_trunc else record.id[:12] for record in shown]
    if quiet:
        click.echo("".join(f"{container_id}\n" for container_id in ids), nl=False)
        return
    rows = [
        (short, r.data["imageName"], _command(r.data["command"], no_trunc), f"{table.since(r.data['created'])} ago",
         table.status(r.data["state"]), "", r.name)
        for short, r in zip(ids, shown, strict=True)
    ]  # fmt: skip
    header = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    click.echo(table.render(header, rows), nl=False)


def _command(words: list[str], no_trunc: bool) -> str:
    """The command in quotes on one line, whatever it holds, shortened to 20 characters as in docker."""
    text = " ".join(words)
    return json.dumps(text if no_trunc or len(text) <= 20 else f"{text[:19]}…", ensure_ascii=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-f", "--force", is_flag=True, help="Kill and remove a running container too.")
@click.option("-v", "--volumes", is_flag=True, help="Remove the volumes as well that were given no name.")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def rm(paths: Paths, force: bool, volumes: bool, names: tuple[str, ...]) -> int:
    """Remove containers, each on its own: one that cannot be removed does not keep the others."""
    from minidock.engine import recovery, removal

    recovery.sweep_all(paths.root)

    def remove(name: str) -> None:
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
        except MinidockError as error:
            click.echo(f"minidock: {error}", err=True)
            code = code if forgiving and isinstance(error, NotFoundError) else 1
    return code
