"""`minidock network ls`: list networks."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.template_values import Fields, label_title
from minidock.engine.state_paths import Paths


class _Row(Fields):
    go_type = "*network.networkContext"


_HEADERS = _Row({
    "CreatedAt": "CREATED AT", "Driver": "DRIVER", "ID": "NETWORK ID", "IPv4": "IPV4", "IPv6": "IPV6",
    "Internal": "INTERNAL", "Label": label_title, "Labels": "LABELS", "Name": "NAME", "Scope": "SCOPE",
})  # fmt: skip
_COLUMNS = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"


@usage.command(context_settings=HELP)
@usage.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@usage.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="driver, id, label, name, ...")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.pass_paths
def ls(paths: Paths, quiet: bool, no_trunc: bool, filters: tuple[str, ...], template: str | None) -> None:
    """List networks."""
    from minidock.cli.format import listing
    from minidock.engine.networks import networks
    from minidock.image import image_filters
    from minidock.network import network_store

    found = networks.select(paths.root, image_filters.parse(filters, networks.FOR_LISTS))
    rows = [
        {
            "CreatedAt": f"{network.created[:10]} {network.created[11:-1]} +0000 UTC",
            "Driver": network.driver,
            "ID": network.id if no_trunc else network.id[:12],
            "IPv4": "true",
            "IPv6": str(network.ipv6).lower(),
            "Internal": str(network.internal).lower(),
            "Label": lambda name, labels=network.labels: labels.get(name, ""),
            "Labels": ",".join(f"{key}={value}" for key, value in network.labels.items()),
            "Name": network.name,
            "Scope": "local",
        }
        for network in found
    ]
    if quiet:
        echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
    else:
        echo(listing.listing(template, rows, _HEADERS, _COLUMNS), nl=False)
    for ruin in network_store.damaged(paths.root):
        echo(f"WARNING: a network is not shown: {ruin}", err=True)
