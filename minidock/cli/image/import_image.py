"""`minidock import`: make an image of a tarball."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.archive_streams import standard_input
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import FILE
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

if TYPE_CHECKING:
    from minidock.image.compression import Reader


@usage.command("import", context_settings=HELP)
@usage.option("-c", "--change", multiple=True, metavar="INSTRUCTION", help="Apply an instruction (CMD, ENV, ...).")
@usage.option("-m", "--message", default="", help="A comment for the image's history.")
@usage.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="What the image is for [this machine].")
@usage.argument("file", metavar="FILE|-", type=FILE)
@usage.argument("repository", metavar="[REPOSITORY[:TAG]]", required=False)
@usage.pass_paths
def import_image(
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
    echo(imported.id)
