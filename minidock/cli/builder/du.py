"""`minidock builder du`: what builds keep, and how much of the disk it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.durations import duration
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.build.cache_usage import Kept

_ID = 25  # characters of an id, as BuildKit's ids have


@usage.command(context_settings=HELP)
@usage.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="until, unused-for or id.")
@usage.option("--verbose", is_flag=True, help="Each in full.")
@usage.pass_paths
def du(paths: Paths, filters: tuple[str, ...], verbose: bool) -> None:
    """Show what builds keep: the layers of steps, and cache mounts."""
    from minidock.build import cache_usage
    from minidock.image import image_filters

    rows = cache_usage.select(cache_usage.kept(paths.root), image_filters.parse(filters, cache_usage.FOR_PRUNE))
    rows.sort(key=lambda row: row.size, reverse=True)
    echo("\n\n".join(map(_whole, rows)) if verbose else _table(rows))
    shared = sum(row.size for row in rows if row.shared)
    total = sum(row.size for row in rows)
    free = sum(row.size for row in rows if not row.in_use)
    if shared:
        echo(f"Shared:\t\t{_size(shared)}")
    echo(f"Reclaimable:\t{_size(free)}\nTotal:\t\t{_size(total)}")


def _table(rows: list[Kept]) -> str:
    lines = [("ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED")]
    lines += [(row.name[:_ID], str(not row.in_use).lower(), _size(row.size), _ago(row.used)) for row in rows]
    return "\n".join(f"{a:<44}{b:<12}{c:<12}{d}".rstrip() for a, b, c, d in lines)


def _whole(row: Kept) -> str:
    kind = "exec.cachemount" if row.is_mount else "regular"
    used = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(row.used))
    fields = {"ID": row.name, "Last used": used, "Reclaimable": str(not row.in_use).lower(),
              "Shared": str(row.shared).lower(), "Size": _size(row.size), "Description": row.description,
              "Type": kind}  # fmt: skip
    return "\n".join(f"{name}:\t{value}" for name, value in fields.items())


def _ago(moment: float) -> str:
    return f"{duration(time.time() - moment)} ago"


def _size(count: int) -> str:
    from minidock.cli.format.units import size

    return size(count, 4)
