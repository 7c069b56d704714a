"""`minidock system df`: show what takes how much of the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.template_values import Fields
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.engine.inspect.disk_usage import Usage


class _Summary(Fields):
    go_type = "*formatter.diskUsageImagesContext"


class _Everything(Fields):
    go_type = "*formatter.diskUsageContext"


_HEADERS = _Summary({"Active": "ACTIVE", "Reclaimable": "RECLAIMABLE", "Size": "SIZE", "TotalCount": "TOTAL",
                     "Type": "TYPE"})  # fmt: skip
_COLUMNS = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"
_IMAGE_COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t" \
    "{{.UniqueSize}}\t{{.Containers}}"  # fmt: skip
_CONTAINER_COLUMNS = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t" \
    "{{.Status}}\t{{.Names}}"  # fmt: skip
_VOLUME_COLUMNS = "{{.Name}}\t{{.Links}}\t{{.Size}}"

Row = Mapping[str, Any]


@usage.command(context_settings=HELP)
@usage.option("-v", "--verbose", is_flag=True, help="Show every image, container and volume.")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.pass_paths
def df(paths: Paths, verbose: bool, template: str | None) -> None:
    """Show what takes how much of the disk, and how much of that nobody uses."""
    from minidock.cli.format import listing
    from minidock.engine.container import recovery
    from minidock.engine.inspect import disk_usage

    recovery.sweep_all(paths.root)
    usage = disk_usage.measure(paths.root)
    if verbose:
        echo(_everything(paths.root, usage, template), nl=False)
    else:
        rows = [*_summary(usage), _cache(paths.root)]
        echo(listing.listing(template, rows, _HEADERS, _COLUMNS), nl=False)


def _summary(usage: Usage) -> list[Row]:
    """The row of each kind of thing. What is in use counts as active."""
    used = sum(one.unique for one in usage.images if one.containers)
    ended = [one for one in usage.containers if not _is_active(one.record)]
    unused = [one for one in usage.volumes if not one.links]
    written = sum(one.size for one in usage.containers)
    kept = sum(one.size for one in usage.volumes)
    return [
        _row("Images", len(usage.images), sum(one.containers > 0 for one in usage.images), usage.layers,
             usage.layers - used),
        _row("Containers", len(usage.containers), len(usage.containers) - len(ended), written,
             sum(one.size for one in ended)),
        _row("Local Volumes", len(usage.volumes), len(usage.volumes) - len(unused), kept,
             sum(one.size for one in unused)),
    ]  # fmt: skip


def _cache(root: str) -> Row:
    from minidock.build import cache_usage

    rows = cache_usage.kept(root)
    free = sum(row.size for row in rows if not row.in_use)
    # Without a share, as docker has it in this row.
    return {"Active": str(sum(row.in_use for row in rows)), "Reclaimable": _size(free),
            "Size": _size(sum(row.size for row in rows)), "TotalCount": str(len(rows)),
            "Type": "Build Cache"}  # fmt: skip


def _is_active(record: Any) -> bool:
    return bool(record.status in ("running", "paused", "restarting"))


def _row(kind: str, count: int, active: int, total: int, reclaimable: int) -> Row:
    share = f" ({reclaimable * 100 // total}%)" if total else ""
    return {"Active": str(active), "Reclaimable": _size(reclaimable) + share, "Size": _size(total),
            "TotalCount": str(count), "Type": kind}  # fmt: skip


def _size(count: int) -> str:
    from minidock.cli.format.units import size

    return size(count, 4)


# With --verbose


def _everything(root: str, usage: Usage, template: str | None) -> str:
    from minidock.cli.container.ps import CONTAINER_HEADERS
    from minidock.cli.format import listing
    from minidock.cli.image.ls import IMAGE_HEADERS
    from minidock.cli.volume.ls import VOLUME_HEADERS

    images, volumes = _images(usage, no_trunc=False), _volumes(usage)
    if template:
        everything = {"Images": _images(usage, no_trunc=True), "Containers": _containers(root, usage, no_trunc=True),
                      "Volumes": volumes, "BuildCache": []}  # fmt: skip
        return listing.listing(template, [everything], _Everything(), "")
    sections: Sequence[tuple[str, Sequence[Row], Fields, str]] = (
        ("Images space usage", images, IMAGE_HEADERS, _IMAGE_COLUMNS),
        ("Containers space usage", _containers(root, usage, no_trunc=False), CONTAINER_HEADERS, _CONTAINER_COLUMNS),
        ("Local Volumes space usage", volumes, VOLUME_HEADERS, _VOLUME_COLUMNS),
    )
    return "\n".join(
        f"{title}:\n\n{listing.listing(None, rows, headers, columns)}" for title, rows, headers, columns in sections
    )


def _images(usage: Usage, *, no_trunc: bool) -> list[Row]:
    from minidock.cli.image.ls import rows_of

    return [
        {**row, "Containers": str(one.containers), "SharedSize": _size(one.shared), "UniqueSize": _size(one.unique)}
        for one in usage.images
        for row in rows_of(one.image, one.names, no_trunc=no_trunc)
    ]


def _containers(root: str, usage: Usage, *, no_trunc: bool) -> list[Row]:
    from minidock.cli.container import ps

    rows = ps.rows(root, [one.record for one in usage.containers], no_trunc=no_trunc, size=False)
    for row, one in zip(rows, usage.containers, strict=True):
        row["Size"] = _size(one.size)
    return list(rows)


def _volumes(usage: Usage) -> list[Row]:
    from minidock.cli.volume.ls import row

    rows = [row(one.volume) for one in usage.volumes]
    for shown, one in zip(rows, usage.volumes, strict=True):
        shown |= {"Links": str(one.links), "Size": _size(one.size)}
    return list(rows)
