"""`minidock images` and `image ls`: list images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import IMAGE
from minidock.cli.flags.unsupported import TREE
from minidock.cli.format.template_values import Fields
from minidock.cli.format.units import created_since, go_time, short_id, size
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.image.reference import Reference
    from minidock.image.stored_image import Image

_NONE = "<none>"


class _Row(Fields):
    go_type = "*formatter.imageContext"


IMAGE_HEADERS = _Row({
    "Containers": "CONTAINERS", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Digest": "DIGEST",
    "ID": "IMAGE ID", "Repository": "REPOSITORY", "SharedSize": "SHARED SIZE", "Size": "SIZE", "Tag": "TAG",
    "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
})  # fmt: skip
_COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Show all images (there are no intermediate ones).")
@usage.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@usage.option("--digests", is_flag=True, help="Show the digests under which registries have the images.")
@usage.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="dangling, label, reference, ...")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@TREE
@usage.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False, type=IMAGE)
@usage.pass_paths
def ls(
    paths: Paths,
    everything: bool,
    quiet: bool,
    no_trunc: bool,
    digests: bool,
    filters: tuple[str, ...],
    template: str | None,
    repository: str | None,
) -> None:
    """List images, newest first."""
    from minidock.cli.format import listing
    from minidock.image import image_filters
    from minidock.image.store import Store

    wanted = image_filters.parse(filters, image_filters.FOR_LISTS)
    if repository:
        wanted.setdefault("reference", []).append(repository)
    store = Store(paths.root)
    rows = [row for found, names in image_filters.select(store, wanted)
            for row in rows_of(found, names, no_trunc=no_trunc)]  # fmt: skip
    for damaged in store.damaged():
        echo(f"WARNING: an image is not shown: {damaged}", err=True)
    if quiet:
        echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
        return
    columns = _COLUMNS.replace("{{.ID}}", "{{.Digest}}\t{{.ID}}") if digests else _COLUMNS
    echo(listing.listing(template, rows, IMAGE_HEADERS, columns), nl=False)


def rows_of(found: Image, names: list[Reference], *, no_trunc: bool) -> list[dict[str, str]]:
    """The lines that an image gets, one per tag; `<none>` where there is none."""
    by_digest = {name.name: name.digest for name in names if name.digest}
    tagged = [name for name in names if name.tag]
    repositories = {name.name for name in tagged}
    lines = [(name.familiar_name, name.tag or _NONE, by_digest.get(name.name) or _NONE) for name in tagged]
    lines += [(n.familiar_name, _NONE, n.digest or _NONE) for n in names if n.digest and n.name not in repositories]
    common = {
        "Containers": "N/A",
        "CreatedAt": go_time(found.created),
        "CreatedSince": created_since(found.created),
        "ID": found.id if no_trunc else short_id(found.id),
        "SharedSize": "N/A",  # `system df -v` knows
        "Size": size(found.size),
        "UniqueSize": "N/A",
        "VirtualSize": size(found.size, 4),
    }
    return [
        dict(sorted({**common, "Repository": repository, "Tag": tag, "Digest": digest}.items()))
        for repository, tag, digest in lines or [(_NONE, _NONE, _NONE)]
    ]
