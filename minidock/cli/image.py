"""Commands about images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minidock.engine.paths import Paths
from minidock.errors import MinidockError

if TYPE_CHECKING:
    from minidock.image.compression import Reader
    from minidock.image.reference import Reference
    from minidock.image.store import Image

_HELP = {"help_option_names": ["-h", "--help"]}
_NONE = "<none>"


@click.command(context_settings=_HELP)
@click.option("-a", "--all", "everything", is_flag=True, help="Show all images (there are no intermediate ones).")
@click.option("-q", "--quiet", is_flag=True, help="Show ids only.")
@click.option("--no-trunc", is_flag=True, help="Do not shorten ids.")
@click.option("--digests", is_flag=True, help="Show the digests under which registries have the images.")
@click.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False)
@click.pass_obj
def images(paths: Paths, everything: bool, quiet: bool, no_trunc: bool, digests: bool, repository: str | None) -> None:
    """List images, newest first."""
    from minidock.cli import table
    from minidock.image.store import Store

    rows: list[tuple[str, ...]] = []
    for image, names in Store(paths.root).list():
        shown_id = image.id if no_trunc else image.id.removeprefix("sha256:")[:12]
        for name, tag, digest in _names(names, repository, digests):
            if quiet:
                rows.append((shown_id,))
                continue
            created = f"{table.since(image.created)} ago" if image.created[:4] > "0001" else "N/A"
            row = (name, tag, *([digest] if digests else []), shown_id, created, size(image.size))
            rows.append(row)
    if quiet:
        click.echo("".join(f"{row[0]}\n" for row in rows), nl=False)
        return
    header = ("REPOSITORY", "TAG", *(["DIGEST"] if digests else []), "IMAGE ID", "CREATED", "SIZE")
    click.echo(_table([header, *rows]), nl=False)


def _names(names: list[Reference], wanted: str | None, digests: bool) -> list[tuple[str, str, str]]:
    """The rows that an image gets: repository, tag and digest, each `<none>` where there is none."""
    tagged = [name for name in names if name.tag]
    by_digest = {name.name: name.digest for name in names if name.digest}
    rows = [(name, name.tag or _NONE, by_digest.get(name.name)) for name in tagged]
    repositories = {name.name for name in tagged}
    rows += [(name, _NONE, name.digest) for name in names if name.digest and name.name not in repositories]
    if wanted is not None:
        from minidock.image import reference

        pattern = reference.parse_untagged(wanted)
        rows = [row for row in rows if row[0].name == pattern.name and pattern.tag in (None, row[0].tag)]
    elif not rows:
        return [(_NONE, _NONE, _NONE)]
    return [(name.familiar_name, tag, digest or _NONE) for name, tag, digest in rows]


def size(count: int) -> str:
    """Bytes as docker writes them: three digits, powers of 1000 (github.com/docker/go-units, HumanSize)."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g}{unit}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Columns as docker's: as wide as the widest cell and three spaces, and at least ten."""
    widths = [max(10, *(len(cell) + 3 for cell in column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    return "".join("".join(map(str.ljust, row, widths)) + "\n" for row in rows)


@click.command(context_settings=_HELP)
@click.option("-f", "--force", is_flag=True, help="Remove all names, even if a container uses the image.")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.pass_obj
def rmi(paths: Paths, force: bool, names: tuple[str, ...]) -> int:
    """Remove names of images, and images with their last name."""
    from minidock.engine.images import remove
    from minidock.errors import NotFoundError

    code = 0
    for name in names:
        try:
            for line in remove(paths.root, name, force=force):
                click.echo(line)
        except MinidockError as error:
            click.echo(f"minidock: {error}", err=True)
            code = code if force and isinstance(error, NotFoundError) else 1
    return code


@click.command("import", context_settings=_HELP)
@click.option(
    "-c",
    "--change",
    multiple=True,
    metavar="INSTRUCTION",
    help="Apply a Dockerfile instruction (CMD, ENV, ...).",
)
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.argument("file", metavar="FILE|-")
@click.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False)
@click.pass_obj
def import_command(paths: Paths, change: tuple[str, ...], message: str, file: str, repository: str | None) -> None:
    """Make an image from a tarball of a file system, bare or compressed (gzip, bzip2, xz, zstd); - reads
    standard input.
    """
    from minidock.image import reference

    name = reference.parse(repository) if repository else None
    if name and name.digest:
        from minidock.errors import UsageError

        raise UsageError(f"cannot import digest reference: {repository}")
    click.echo(_import(paths, file, name, change, message).id)


def _import(paths: Paths, file: str, name: Reference | None, change: tuple[str, ...], message: str) -> Image:
    from minidock.image.importer import import_tarball

    source: str | Reader = file
    if file == "-":
        # Bare: a thread that waits in a buffered read would keep the interpreter from ending.
        source = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    return import_tarball(paths.root, source, name, change, message)
