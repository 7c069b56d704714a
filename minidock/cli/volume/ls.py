"""`minidock volume ls`: list volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.template_values import Fields, label_title
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.engine.volumes.volumes import Volume


class Row(Fields):
    """A volume as docker's client lists it (formatter.volumeContext)."""

    go_type = "*formatter.volumeContext"


VOLUME_HEADERS = Row({
    "Availability": "AVAILABILITY", "Driver": "DRIVER", "Group": "GROUP", "Label": label_title,
    "Labels": "LABELS", "Links": "LINKS", "Mountpoint": "MOUNTPOINT", "Name": "VOLUME NAME", "Scope": "SCOPE",
    "Size": "SIZE", "Status": "STATUS",
})  # fmt: skip
_CLUSTER_COLUMNS = "{{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}"


@usage.command(context_settings=HELP)
@usage.option("-q", "--quiet", is_flag=True, help="Show names only.")
@usage.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="dangling, driver, label, name.")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.option("--cluster", is_flag=True, help="Show cluster volumes only (there are none).")
@usage.pass_paths
def ls(paths: Paths, quiet: bool, filters: tuple[str, ...], template: str | None, cluster: bool) -> None:
    """List volumes."""
    from minidock.cli.format import listing
    from minidock.engine.container import recovery
    from minidock.engine.volumes import volume_filters

    recovery.sweep_all(paths.root)
    found = volume_filters.select(paths.root, volume_filters.parse(filters, volume_filters.FOR_LISTS))
    if cluster:
        found = []
    if quiet and not template:
        echo("".join(f"{volume.name}\n" for volume in found), nl=False)
        return
    columns = "{{.Name}}" if quiet else _CLUSTER_COLUMNS if cluster else "{{.Driver}}\t{{.Name}}"
    echo(listing.listing(template, [row(volume) for volume in found], VOLUME_HEADERS, columns), nl=False)


def row(volume: Volume) -> Row:
    """The fields of one volume for a template; `{{.Label "name"}}` is a label's value."""
    labels = ",".join(f"{key}={value}" for key, value in volume.labels.items())
    return Row({
        "Availability": "N/A", "Driver": "local", "Group": "N/A", "Label": lambda name: volume.labels.get(name, ""),
        "Labels": labels, "Links": "N/A", "Mountpoint": volume.mountpoint, "Name": volume.name, "Scope": "local",
        "Size": "N/A", "Status": "N/A",
    })  # fmt: skip
