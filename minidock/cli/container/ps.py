"""`minidock ps`: list containers and their status."""

from __future__ import annotations

import time
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.template_values import Fields, Nil, label_title
from minidock.engine.container.records import Record
from minidock.engine.state_paths import Paths

_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15
_COLUMNS = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
_RAW = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n" \
    "state: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}\n" \
    "ports:{{pad .Ports 1 0}}\n"  # fmt: skip
# This command reads the template before it lists anything, in docker.
_FAILURES = ("failed to parse template", "failed to execute template")


class _Row(Fields):
    go_type = "*formatter.ContainerContext"


CONTAINER_HEADERS = _Row({
    "Command": "COMMAND", "CreatedAt": "CREATED AT", "ID": "CONTAINER ID", "Image": "IMAGE", "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES", "Mounts": "MOUNTS", "Names": "NAMES", "Networks": "NETWORKS",
    "Platform": "PLATFORM", "Ports": "PORTS", "RunningFor": "CREATED", "Size": "SIZE", "State": "STATE",
    "Status": "STATUS", "Label": label_title,
})  # fmt: skip


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Also show containers that are not up.")
@usage.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="status, name, label, ...")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.option("-n", "--last", type=int, default=-1, help="Only the last so many that were created, up or not.")
@usage.option("-l", "--latest", is_flag=True, help="Only the last one that was created, up or not.")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten.")
@usage.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@usage.option("-s", "--size", is_flag=True, help="Show how much they have written.")
@usage.pass_paths
def ps(
    paths: Paths,
    everything: bool,
    filters: tuple[str, ...],
    template: str | None,
    last: int,
    latest: bool,
    no_trunc: bool,
    quiet: bool,
    size: bool,
) -> None:
    """List containers, the newest first."""
    from minidock.cli.format import listing
    from minidock.engine.container import recovery
    from minidock.engine.inspect import container_list

    wanted = container_list.parse(filters)
    if not quiet:
        listing.check(template, CONTAINER_HEADERS, _FAILURES)
    recovery.sweep_all(paths.root)
    found = container_list.select(paths.root, wanted, everything=everything, last=1 if latest and last < 1 else last)
    if quiet:
        if template:
            echo("WARNING: Ignoring custom format, because both --format and --quiet are set.", err=True)
        echo("".join(f"{_id(record, no_trunc)}\n" for record in found), nl=False)
        return
    columns = _COLUMNS + ("\t{{.Size}}" if size else "")
    with_size = size or ".Size" in (template or "")
    shown = rows(paths.root, found, no_trunc=no_trunc, size=with_size)
    if template == "raw":
        template = _RAW + ("size: {{.Size}}\n" if size else "")
    echo(listing.listing(template, shown, CONTAINER_HEADERS, columns, _FAILURES), nl=False)


def _id(record: Record, no_trunc: bool) -> str:
    return record.id if no_trunc else record.id[:12]


def rows(root: str, found: list[Record], *, no_trunc: bool, size: bool) -> list[_Row]:
    from minidock.cli.container import ps_columns
    from minidock.durations import since
    from minidock.engine.inspect import container_status, network_settings

    images = container_status.ImageNames(root)
    return [
        _Row({
            "Command": _command(record.data["command"], no_trunc),
            "CreatedAt": _moment(record.data["created"]),
            "ID": _id(record, no_trunc),
            "Image": _image(images.name(record), no_trunc),
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(record.data["config"]["labels"].items())),
            "LocalVolumes": str(sum(point["type"] == "volume" for point in record.data.get("mounts", ()))),
            "Mounts": ",".join(_mount(point, no_trunc) for point in record.data.get("mounts", ())),
            "Names": record.name,
            "Networks": ",".join(network_settings.names(record)),
            "Platform": Nil("<nil>"),
            "Ports": ps_columns.ports(record),
            "RunningFor": f"{since(record.data['created'])} ago",
            "Size": _size(record) if size else "0B",
            "State": record.status,
            "Status": container_status.status(record),
            "Label": lambda name, labels=record.data["config"]["labels"]: labels.get(name, ""),
        })
        for record in found
    ]  # fmt: skip


def _image(name: str, no_trunc: bool) -> str:
    return name if no_trunc or not name.startswith("sha256:") else name.removeprefix("sha256:")[:12]


def _command(words: list[str], no_trunc: bool) -> str:
    """The command in quotes on one line, whatever it holds, shortened to 20 characters as in docker."""
    import json

    text = " ".join([*words[:1], *(f"'{word}'" if " " in word else word for word in words[1:])])
    short = text if no_trunc or len(text) <= _COMMAND_WIDTH else f"{text[: _COMMAND_WIDTH - 1]}…"
    return json.dumps(short, ensure_ascii=False)


def _mount(point: dict[str, Any], no_trunc: bool) -> str:
    name = str(point.get("name") or point["source"])
    return name if no_trunc or len(name) <= _MOUNT_WIDTH else f"{name[: _MOUNT_WIDTH - 1]}…"


def _moment(created: str) -> str:
    """A time as Go prints it, in the local zone."""
    from minidock.durations import unix_time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(unix_time(created)))


def _size(record: Record) -> str:
    from minidock.cli.format.units import size
    from minidock.engine.inspect import inspect_container

    written, image_size = inspect_container.sizes(record)
    return f"{size(written)} (virtual {size(written + image_size)})"
