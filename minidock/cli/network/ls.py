"""Commands about networks: made, listed, looked at, removed. Those about containers on them: `connect.py`."""

from __future__ import annotations

from typing import Any

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.unsupported import NETWORK, with_flags
from minidock.cli.format.template_values import Fields, label_title
from minidock.cli.inspect_output import FORMAT, show
from minidock.engine.paths import Paths


class _Row(Fields):
    go_type = "*network.networkContext"


_HEADERS = _Row({
    "CreatedAt": "CREATED AT", "Driver": "DRIVER", "ID": "NETWORK ID", "IPv4": "IPV4", "IPv6": "IPV6",
    "Internal": "INTERNAL", "Label": label_title, "Labels": "LABELS", "Name": "NAME", "Scope": "SCOPE",
})  # fmt: skip
_COLUMNS = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"


@click.command(context_settings=HELP)
@click.option("-d", "--driver", default="bridge", help="What makes the network: bridge or macvlan.")
@click.option("--subnet", "subnets", multiple=True, metavar="NET/PREFIX", help="Addresses of the network.")
@click.option("--gateway", "gateways", multiple=True, metavar="ADDRESS", help="The way out: a bridge's own address.")
@click.option("--ip-range", "ranges", multiple=True, metavar="NET/PREFIX", help="Addresses for containers.")
@click.option("--aux-address", "reserved", multiple=True, metavar="NAME=ADDRESS", help="An address for no container.")
@click.option("--internal", is_flag=True, help="No way out of this network.")
@click.option("--ipv6", is_flag=True, help="IPv6 addresses too.")
@click.option("--attachable", is_flag=True, help="For swarms in docker; means nothing here.")
@click.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Set a label.")
@click.option("-o", "--opt", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the driver.")
@with_flags(NETWORK)
@click.argument("name", metavar="NETWORK")
@click.pass_obj
def create(paths: Paths, /, name: str, **flags: Any) -> None:
    """Make a network, a bridge of its own unless --driver says otherwise, and print its id."""
    from minidock.cli.flags import key_values, values
    from minidock.cli.flags.common import check_root
    from minidock.engine.networks import networks
    from minidock.engine.networks.network_options import NetworkOptions

    check_root()
    asked = NetworkOptions(
        name=name,
        driver=flags["driver"],
        subnets=list(flags["subnets"]),
        gateways=list(flags["gateways"]),
        ranges=list(flags["ranges"]),
        reserved=values.key_values(flags["reserved"]),
        internal=flags["internal"],
        ipv6=flags["ipv6"],
        attachable=flags["attachable"],
        labels=key_values.labels(flags["labels"]),
        options=values.key_values(flags["options"]),
    )
    click.echo(networks.create(paths.root, asked).id)


@click.command(context_settings=HELP)
@click.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@click.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="driver, id, label, name, ...")
@click.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@click.pass_obj
def ls(paths: Paths, quiet: bool, no_trunc: bool, filters: tuple[str, ...], template: str | None) -> None:
    """List networks."""
    from minidock.cli.format import listing
    from minidock.engine.networks import networks
    from minidock.image import image_filters
    from minidock.network import store

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
        click.echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
    else:
        click.echo(listing.listing(template, rows, _HEADERS, _COLUMNS), nl=False)
    for ruin in store.damaged(paths.root):
        click.echo(f"WARNING: a network is not shown: {ruin}", err=True)


@click.command(context_settings=HELP)
@FORMAT
@click.option("-v", "--verbose", is_flag=True, help="Also what the bridge's interface counts.")
@click.argument("names", metavar="NETWORK...", nargs=-1, required=True)
@click.pass_obj
def inspect(paths: Paths, template: str | None, verbose: bool, names: tuple[str, ...]) -> int:
    """Show everything about networks: who is on them, with addresses, cables and what went through those."""
    from minidock.engine.container import cleanup
    from minidock.engine.inspect import inspect_network
    from minidock.engine.networks import networks

    def find(name: str) -> dict[str, Any]:
        return inspect_network.network(paths.root, networks.find(paths.root, name), verbose=verbose)

    cleanup.sweep_all(paths.root)
    return show(names, find, template)


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="What is not there is no failure.")
@click.argument("names", metavar="NETWORK...", nargs=-1, required=True)
@click.pass_obj
def rm(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove networks that no running container is on."""
    from minidock.cli.container.rm import for_each
    from minidock.engine.container import cleanup
    from minidock.engine.networks import networks

    cleanup.sweep_all(paths.root)
    if force:
        names = tuple(name for name in names if networks.is_known(paths.root, name))
    return for_each(names, lambda name: networks.remove(paths.root, name), forgiving=force)


@click.command(context_settings=HELP)
@click.option("-f", "--force", is_flag=True, help="Do not ask first.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="label, label! or until.")
@click.pass_obj
def prune(paths: Paths, force: bool, filters: tuple[str, ...]) -> None:
    """Remove all networks that were made by users and that no running container is on."""
    from minidock.cli.prompt import confirmed
    from minidock.engine.container import cleanup
    from minidock.engine.networks import networks
    from minidock.image import image_filters

    wanted = image_filters.parse(filters, networks.FOR_PRUNE)
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if not force and not confirmed(warning):
        return
    cleanup.sweep_all(paths.root)
    removed = networks.prune(paths.root, wanted)
    if removed:
        click.echo("Deleted Networks:\n" + "".join(f"{network.name}\n" for network in removed))
