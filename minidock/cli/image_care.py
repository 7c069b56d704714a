"""`minidock image prune` and `minidock image inspect`."""

from __future__ import annotations

import json

import click

from minidock.engine.paths import Paths
from minidock.errors import MinidockError

_HELP = {"help_option_names": ["-h", "--help"]}
_DANGLING = "WARNING! This will remove all dangling images."
_UNUSED = "WARNING! This will remove all images without at least one container associated to them."


@click.command(context_settings=_HELP)
@click.option("-a", "--all", "unused", is_flag=True, help="Remove all images that no container uses.")
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="label, label! or until.")
@click.pass_obj
def prune(paths: Paths, unused: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove images without a name, and what is left of images that are gone."""
    from minidock.cli.image import size
    from minidock.engine import images, recovery
    from minidock.image import filters as image_filters

    wanted = image_filters.parse(filters, image_filters.FOR_PRUNE)
    if not force:
        click.echo(_UNUSED if unused else _DANGLING)
        if filters:
            click.echo("".join(["", "  Items to be pruned will be filtered with:\n", *(f"  - {f}\n" for f in filters)]))
        if not click.confirm("Are you sure you want to continue?", prompt_suffix=" ", default=False):
            return
    recovery.sweep_all(paths.root)
    pruned = images.prune(paths.root, unused=unused, filters=wanted)
    if pruned.lines:
        click.echo("Deleted Images:\n" + "".join(f"{line}\n" for line in pruned.lines))
    click.echo(f"Total reclaimed space: {size(pruned.size)}")


@click.command(context_settings=_HELP)
@click.option("-f", "--format", "template", metavar="TEMPLATE", help="A Go template, or 'json'.")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.pass_obj
def inspect(paths: Paths, template: str | None, names: tuple[str, ...]) -> int:
    """Show everything about images."""
    from minidock.cli.format import Template
    from minidock.engine import describe
    from minidock.image.store import Store

    parsed = Template("{{json .}}" if template == "json" else template) if template else None
    store, found, code = Store(paths.root), [], 0
    for name in names:
        try:
            image = store.resolve(name)
            found.append(describe.image(image, store.references(image.id)))
        except MinidockError as error:
            click.echo(f"minidock: {error}", err=True)
            code = 1
    if parsed:
        click.echo("".join(f"{parsed.render(one)}\n" for one in found), nl=False)
    else:
        click.echo(json.dumps(found, indent=4, ensure_ascii=False))
    return code
