"""`minidock inspect`: containers and images as JSON, in docker's form."""

from __future__ import annotations

import json
from typing import Any

import click

from minidock.engine.paths import Paths
from minidock.errors import MinidockError, NotFoundError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--type", "kind", type=click.Choice(["container", "image"]), help="Only look among these.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.pass_obj
def inspect(paths: Paths, kind: str | None, names: tuple[str, ...]) -> int:
    """Show everything about containers and images."""
    from minidock.engine import recovery

    recovery.sweep_all(paths.root)
    found, code = [], 0
    for name in names:
        try:
            found.append(_look_up(paths, name, kind))
        except MinidockError as error:
            click.echo(f"minidock: {error}", err=True)
            code = 1
    click.echo(json.dumps(found, indent=4, ensure_ascii=False))
    return code


def _look_up(paths: Paths, name: str, kind: str | None) -> dict[str, Any]:
    from minidock.engine import describe, records
    from minidock.image.store import Store

    if kind != "image":
        try:
            return describe.container(records.find(paths.root, name))
        except NotFoundError:
            if kind == "container":
                raise
    try:
        image = Store(paths.root).resolve(name)
        return describe.image(image, Store(paths.root).references(image.id))
    except NotFoundError:
        raise NotFoundError(f"No such {kind or 'object'}: {name}") from None
