"""`minidock cp`: copy files between a container and the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import check_root
from minidock.cli.flags.entity_names import CONTAINER_PATH
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError, UsageError


@usage.command(context_settings=HELP)
@usage.option("-a", "--archive", is_flag=True, help="Give what is copied in to the container's own user.")
@usage.option("-L", "--follow-link", is_flag=True, help="Copy what a symbolic link leads to, not the link.")
@usage.option("-q", "--quiet", is_flag=True, help="Do not say what was copied.")
@usage.argument("source", metavar="CONTAINER:SRC|SRC|-", type=CONTAINER_PATH)
@usage.argument("destination", metavar="DST|CONTAINER:DST|-", type=CONTAINER_PATH)
@usage.pass_paths
def cp(paths: Paths, archive: bool, follow_link: bool, quiet: bool, source: str, destination: str) -> None:
    """Copy files and directories out of a container or into it; - is a tar stream on standard output or input."""
    from minidock.engine.container import recovery
    from minidock.engine.files import cp

    check_root()
    recovery.sweep_all(paths.root)
    (from_name, from_path), (to_name, to_path) = split(source), split(destination)
    if from_name and to_name:
        raise UsageError("copying between containers is not supported")
    if not from_name and not to_name:
        raise UsageError("must specify at least one container source")
    if not (from_path and to_path):
        raise UsageError("source can not be empty" if not from_path else "destination can not be empty")
    try:
        if from_name and to_path == "-":
            _write_out(cp.out_as_tar(paths.root, from_name, from_path, follow_link=follow_link))
            return
        if from_name:
            size = cp.out(paths.root, from_name, from_path, to_path, follow_link=follow_link)
        elif from_path == "-":
            from minidock.cli.archive_streams import standard_input

            with standard_input() as stream:
                size = cp.tar_into(paths.root, to_name, stream, to_path, archive=archive)
        else:
            size = cp.into(paths.root, to_name, from_path, to_path, follow_link=follow_link, archive=archive)
    except MinidockError as error:
        error.exit_code = 1
        raise
    if not quiet and sys.stderr.isatty():
        from minidock.cli.format import units

        place = destination if to_name else os.path.abspath(destination)
        echo(f"Successfully copied {units.size(size)} to {place}", err=True)


def split(text: str) -> tuple[str, str]:
    """("container", "path") of "container:path"; ("", path) of a path, which is what begins with "/" or "."."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")):
        return "", text
    return name, path


def _write_out(pieces: Iterator[bytes]) -> None:
    if sys.stdout.isatty():
        raise UsageError("cowardly refusing to copy to a terminal: redirect standard output")
    sys.stdout.buffer.writelines(pieces)
