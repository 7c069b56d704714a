"""`minidock history`: list the steps that made an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import PLATFORM
from minidock.cli.flags.entity_names import IMAGE
from minidock.cli.format.template_values import Fields
from minidock.cli.format.units import created_since, short_id, size
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.image.stored_image import Image


class _Step(Fields):
    go_type = "*formatter.historyContext"


_HEADERS = _Step({
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
    "Comment": "COMMENT",
})  # fmt: skip
_COLUMNS = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_CREATED_BY_WIDTH = 45


@usage.command(context_settings=HELP)
@usage.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@usage.option("-H/-P", "--human/--plain", "human", default=True, help="Sizes and times for people [yes].")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten.")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@PLATFORM
@usage.argument("name", metavar="IMAGE", type=IMAGE)
@usage.pass_paths
def history(
    paths: Paths, quiet: bool, human: bool, no_trunc: bool, template: str | None, platform: str, name: str
) -> None:
    """Show how an image was made, the latest step first."""
    from minidock.cli.format import listing
    from minidock.engine.images.find_image import check_platform
    from minidock.image.store import Store

    found = Store(paths.root).resolve(name)
    check_platform(found, name, platform)
    rows = _steps(found, human=human, no_trunc=no_trunc)
    if quiet:
        echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
        return
    echo(listing.listing(template, rows, _HEADERS, _COLUMNS), nl=False)


def _steps(found: Image, *, human: bool, no_trunc: bool) -> list[dict[str, str]]:
    """The rows of an image's history (OCI image spec, config.md, "history"): steps with and without a layer."""
    from minidock.image.layer_directories import layer_size

    sizes = [layer_size(found.root, diff_id) for diff_id in found.layers]
    rows = []
    for step in found.config.get("history") or []:
        own = 0 if step.get("empty_layer") or not sizes else sizes.pop(0)
        by = str(step.get("created_by") or "").replace("\t", " ")
        created = str(step.get("created") or "")
        rows.append(
            {
                "Comment": str(step.get("comment") or ""),
                "CreatedAt": created[:19] + "Z" if created else "",
                "CreatedBy": by if no_trunc or len(by) <= _CREATED_BY_WIDTH else by[: _CREATED_BY_WIDTH - 1] + "…",
                "CreatedSince": created_since(created) if human else created[:19] + "Z",
                "ID": "<missing>",
                "Size": size(own) if human else str(own),
            }
        )
    rows.reverse()
    if rows:
        rows[0]["ID"] = found.id if no_trunc else short_id(found.id)
    return rows
