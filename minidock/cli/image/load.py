"""`minidock load`: load images from an archive."""

from __future__ import annotations

import os
import sys

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import FILE
from minidock.engine.state_paths import Paths
from minidock.errors import NotFoundError, UsageError


@usage.command(context_settings=HELP)
@usage.option("-i", "--input", "file", metavar="FILE", type=FILE, help="Read from a file instead of standard input.")
@usage.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="The images for this kind of machine.")
@usage.option("-q", "--quiet", is_flag=True, help="Say only what was loaded.")
@usage.pass_paths
def load(paths: Paths, file: str | None, platform: str, quiet: bool) -> None:
    """Load images from an archive of docker, podman, skopeo, ... or minidock, bare or compressed."""
    from minidock.cli.archive_streams import standard_input
    from minidock.engine.events import event_log
    from minidock.image.load import load_images
    from minidock.image.registry.manifests import parse_platform
    from minidock.image.store import Store

    if file is None and sys.stdin.isatty():
        raise UsageError("requested load from stdin, but stdin is empty: use -i FILE, or redirect")
    try:
        stream = standard_input() if file is None else open(file, "rb", buffering=0)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise NotFoundError(f"open {file}: no such file or directory") from None
    except OSError as error:
        raise UsageError(f"open {file}: {os.strerror(error.errno or 0).lower()}") from error
    with stream:
        wanted = parse_platform(platform) if platform else None
        for loaded in load_images(Store(paths.root), stream, wanted):
            event_log.emit_image(paths.root, "load", loaded.image.id, loaded.image.labels)
            for name, old in loaded.replaced.items() if not quiet else ():
                echo(f"The image {name} already exists, renaming the old one with ID {old} to empty string")
            for name in loaded.names:
                echo(f"Loaded image: {name}")
            if not loaded.names:
                echo(f"Loaded image ID: {loaded.image.id}")
