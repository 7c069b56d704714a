"""Commands about images: what there is, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from minidock.cli.flags.common import PLATFORM
from minidock.cli.flags.unsupported import TREE
from minidock.cli.format.template_values import Fields
from minidock.engine.paths import Paths
from minidock.errors import MinidockError, UsageError, message_of

if TYPE_CHECKING:
    from minidock.image.compression import Reader
    from minidock.image.reference import Reference
    from minidock.image.store import Image

_HELP = {"help_option_names": ["-h", "--help"]}
_NONE = "<none>"


class _Row(Fields):
    go_type = "*formatter.imageContext"


class _Step(Fields):
    go_type = "*formatter.historyContext"


HEADERS = _Row({
    "Containers": "CONTAINERS", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Digest": "DIGEST",
    "ID": "IMAGE ID", "Repository": "REPOSITORY", "SharedSize": "SHARED SIZE", "Size": "SIZE", "Tag": "TAG",
    "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
})  # fmt: skip
_COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
_HISTORY_HEADERS = _Step({
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
    "Comment": "COMMENT",
})  # fmt: skip
_HISTORY_COLUMNS = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_CREATED_BY_WIDTH = 45


@click.command(context_settings=_HELP)
@click.option("-a", "--all", "everything", is_flag=True, help="Show all images (there are no intermediate ones).")
@click.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@click.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@click.option("--digests", is_flag=True, help="Show the digests under which registries have the images.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="dangling, label, reference, ...")
@click.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@TREE
@click.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False)
@click.pass_obj
def images(
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
    if repository is not None:
        wanted.setdefault("reference", []).append(repository)
    store = Store(paths.root)
    rows = [row for found, names in image_filters.select(store, wanted)
            for row in rows_of(found, names, no_trunc=no_trunc)]  # fmt: skip
    for damaged in store.damaged():
        click.echo(f"WARNING: an image is not shown: {damaged}", err=True)
    if quiet:
        click.echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
        return
    columns = _COLUMNS.replace("{{.ID}}", "{{.Digest}}\t{{.ID}}") if digests else _COLUMNS
    click.echo(listing.listing(template, rows, HEADERS, columns), nl=False)


def rows_of(found: Image, names: list[Reference], *, no_trunc: bool) -> list[dict[str, str]]:
    """The lines that an image gets, one per tag; `<none>` where there is none."""
    by_digest = {name.name: name.digest for name in names if name.digest}
    tagged = [name for name in names if name.tag]
    repositories = {name.name for name in tagged}
    lines = [(name.familiar_name, name.tag or _NONE, by_digest.get(name.name) or _NONE) for name in tagged]
    lines += [(n.familiar_name, _NONE, n.digest or _NONE) for n in names if n.digest and n.name not in repositories]
    common = {
        "Containers": "N/A",
        "CreatedAt": _moment(found.created),
        "CreatedSince": _since(found.created),
        "ID": found.id if no_trunc else _short(found.id),
        "SharedSize": "N/A",  # `system df -v` knows
        "Size": size(found.size),
        "UniqueSize": "N/A",
        "VirtualSize": size(found.size, 4),
    }
    return [
        dict(sorted({**common, "Repository": repository, "Tag": tag, "Digest": digest}.items()))
        for repository, tag, digest in lines or [(_NONE, _NONE, _NONE)]
    ]


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _since(created: str) -> str:
    from minidock.cli import status

    return f"{status.since(created)} ago" if created[:4] > "0001" else "N/A"


def _moment(created: str) -> str:
    """A time as Go prints it."""
    return f"{created[:10]} {created[11:19]} +0000 UTC" if created else ""


def size(count: int, digits: int = 3) -> str:
    """Bytes as docker writes them, in powers of 1000 (github.com/docker/go-units, HumanSize).

    `digits` are three in lists of images, and four where docker tells what takes how much of the disk.
    """
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.{digits}g}{unit}"


@click.command(context_settings=_HELP)
@click.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@click.option("-H/-P", "--human/--plain", "human", default=True, help="Sizes and times for people [yes].")
@click.option("--no-trunc", is_flag=True, help="Do not shorten.")
@click.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@PLATFORM
@click.argument("name", metavar="IMAGE")
@click.pass_obj
def history(
    paths: Paths, quiet: bool, human: bool, no_trunc: bool, template: str | None, platform: str, name: str
) -> None:
    """Show how an image was made, the latest step first."""
    from minidock.cli.format import listing
    from minidock.engine.images.images import check_platform
    from minidock.image.store import Store

    found = Store(paths.root).resolve(name)
    check_platform(found, name, platform)
    rows = _steps(found, human=human, no_trunc=no_trunc)
    if quiet:
        click.echo("".join(f"{row['ID']}\n" for row in rows), nl=False)
        return
    click.echo(listing.listing(template, rows, _HISTORY_HEADERS, _HISTORY_COLUMNS), nl=False)


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
                "CreatedSince": _since(created) if human else created[:19] + "Z",
                "ID": "<missing>",
                "Size": size(own) if human else str(own),
            }
        )
    rows.reverse()
    if rows:
        rows[0]["ID"] = found.id if no_trunc else _short(found.id)
    return rows


@click.command(context_settings=_HELP)
@click.argument("source", metavar="IMAGE")
@click.argument("target", metavar="NAME[:TAG]")
@click.pass_obj
def tag(paths: Paths, source: str, target: str) -> None:
    """Give an image another name."""
    from minidock.engine.images import images

    images.tag(paths.root, source, target)


@click.command(context_settings=_HELP)
@click.option("-f", "--force", is_flag=True, help="Remove all names, even if a container uses the image.")
@PLATFORM
@click.option("--no-prune", is_flag=True, expose_value=False, help="Without effect: none are below it.")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.pass_obj
def rmi(paths: Paths, force: bool, platform: str, names: tuple[str, ...]) -> int:
    """Remove names of images, and images with their last name."""
    from minidock.engine.container import cleanup
    from minidock.engine.images.images import check_platform, remove
    from minidock.errors import NotFoundError
    from minidock.image.store import Store

    cleanup.sweep_all(paths.root)  # a container that was killed with its monitor uses nothing any more
    code = 0
    for name in names:
        try:
            if platform:
                check_platform(Store(paths.root).resolve(name), name, platform)
            for line in remove(paths.root, name, force=force):
                click.echo(line)
        except (MinidockError, OSError) as error:
            click.echo(f"minidock: {message_of(error)}", err=True)
            code = code if force and isinstance(error, NotFoundError) else 1
    return code


@click.command("import", context_settings=_HELP)
@click.option("-c", "--change", multiple=True, metavar="INSTRUCTION", help="Apply an instruction (CMD, ENV, ...).")
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="What the image is for [this machine].")
@click.argument("file", metavar="FILE|-")
@click.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False)
@click.pass_obj
def import_command(
    paths: Paths, change: tuple[str, ...], message: str, platform: str, file: str, repository: str | None
) -> None:
    """Make an image from a tarball of a file system.

    It may be compressed with gzip, bzip2, xz or zstd; - reads standard input.
    """
    from minidock.engine.events import event_log
    from minidock.image import reference
    from minidock.image.importer import import_tarball
    from minidock.image.registry.manifests import parse_platform

    name = reference.parse(repository) if repository else None
    if name and name.digest:
        raise UsageError(f"cannot import digest reference: {repository}")
    source: str | Reader = standard_input() if file == "-" else file
    made_for = parse_platform(platform) if platform else None
    imported = import_tarball(paths.root, source, name, change, message, made_for=made_for)
    event_log.emit_image(paths.root, "import", imported.id, imported.labels)
    click.echo(imported.id)


def standard_input() -> Any:
    """Standard input, bare: a thread that waits in a buffered read would keep the interpreter from ending."""
    return open(0, "rb", buffering=0, closefd=False)
