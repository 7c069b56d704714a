"""Commands about volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.unsupported import CLUSTER_VOLUME, with_flags
from minidock.cli.format.template_values import Fields, label_title
from minidock.engine.paths import Paths
from minidock.errors import UsageError

if TYPE_CHECKING:
    from minidock.engine.volumes.volumes import Volume


class Row(Fields):
    """A volume as docker's client lists it (formatter.volumeContext)."""

    go_type = "*formatter.volumeContext"


HEADERS = Row({
    "Availability": "AVAILABILITY", "Driver": "DRIVER", "Group": "GROUP", "Label": label_title,
    "Labels": "LABELS", "Links": "LINKS", "Mountpoint": "MOUNTPOINT", "Name": "VOLUME NAME", "Scope": "SCOPE",
    "Size": "SIZE", "Status": "STATUS",
})  # fmt: skip
_CLUSTER_COLUMNS = "{{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}"
_UNNAMED = "WARNING! This will remove anonymous local volumes not used by at least one container."
_UNUSED = "WARNING! This will remove all local volumes not used by at least one container."


@click.command(context_settings=HELP)
@click.option("-d", "--driver", default="", metavar="local", help="Driver; there is one.")
@click.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Set a label.")
@click.option("--name", "other", hidden=True, help="Name, as docker once took it.")
@click.option("-o", "--opt", "options", multiple=True, metavar="KEY=VALUE",
              help="Mount a file system while it is used: type, device and o, as mount(8) has them.")  # fmt: skip
@with_flags(CLUSTER_VOLUME)
@click.argument("name", metavar="[VOLUME]", required=False)
@click.pass_obj
def create(
    paths: Paths, driver: str, labels: tuple[str, ...], other: str | None, options: tuple[str, ...], name: str | None
) -> None:
    """Make a volume. Without a name it gets one that nobody else has."""
    from minidock.cli.flags import key_values, values
    from minidock.engine.volumes import volumes

    if other and name:
        raise UsageError(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
        )
    made = volumes.create(paths.root, name or other or "", driver=driver, labels=key_values.labels(labels),
                          options=values.key_values(options))  # fmt: skip
    click.echo(made.name)


@click.command(context_settings=HELP)
@click.option("-q", "--quiet", is_flag=True, help="Show names only.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="dangling, driver, label, name.")
@click.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@click.option("--cluster", is_flag=True, help="Show cluster volumes only (there are none).")
@click.pass_obj
def ls(paths: Paths, quiet: bool, filters: tuple[str, ...], template: str | None, cluster: bool) -> None:
    """List volumes."""
    from minidock.cli.format import listing
    from minidock.engine.container import cleanup
    from minidock.engine.volumes import volume_prune

    cleanup.sweep_all(paths.root)
    found = volume_prune.select(paths.root, volume_prune.parse(filters, volume_prune.FOR_LISTS))
    if cluster:
        found = []
    if quiet and not template:
        click.echo("".join(f"{volume.name}\n" for volume in found), nl=False)
        return
    columns = "{{.Name}}" if quiet else _CLUSTER_COLUMNS if cluster else "{{.Driver}}\t{{.Name}}"
    click.echo(listing.listing(template, [row(volume) for volume in found], HEADERS, columns), nl=False)


def row(volume: Volume) -> Row:
    """The fields of one volume for a template; `{{.Label "name"}}` is a label's value."""
    labels = ",".join(f"{key}={value}" for key, value in volume.labels.items())
    return Row({
        "Availability": "N/A", "Driver": "local", "Group": "N/A", "Label": lambda name: volume.labels.get(name, ""),
        "Labels": labels, "Links": "N/A", "Mountpoint": volume.mountpoint, "Name": volume.name, "Scope": "local",
        "Size": "N/A", "Status": "N/A",
    })  # fmt: skip


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="Do not mind one that is not there.")
@click.argument("names", metavar="VOLUME...", nargs=-1, required=True)
@click.pass_obj
def rm(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove volumes that no container has, and what is in them."""
    from minidock.cli.container.rm import for_each
    from minidock.engine.container import cleanup
    from minidock.engine.volumes import volume_remove

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: volume_remove.remove(paths.root, name, force=force))


@click.command(context_settings=HELP)
@click.option("-a", "--all", "everything", is_flag=True, help="Also remove those that were given a name.")
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="label, label! or all.")
@click.pass_obj
def prune(paths: Paths, everything: bool, force: bool, filters: tuple[str, ...]) -> None:
    """Remove volumes that no container has."""
    from minidock.cli.image.ls import size
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import cleanup
    from minidock.engine.volumes import volume_prune

    wanted = volume_prune.parse(filters, volume_prune.FOR_PRUNE)
    if everything and "all" in wanted:
        raise UsageError("conflicting options: cannot specify both --all and --filter all=1")
    everything = everything or volume_prune.says_all(wanted)
    if not force and not confirmed(_UNUSED if everything else _UNNAMED):
        return
    cleanup.sweep_all(paths.root)
    pruned = volume_prune.prune(paths.root, wanted, named=everything)
    if pruned.names:
        click.echo("Deleted Volumes:\n" + "".join(f"{name}\n" for name in pruned.names))
    click.echo(f"Total reclaimed space: {size(pruned.size, 4)}")
