"""`minidock save` and `minidock load`: images as files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress

import click

from minidock import state
from minidock.cli.flags.common import PLATFORM
from minidock.engine.paths import Paths
from minidock.errors import NotFoundError, UsageError

_HELP = {"help_option_names": ["-h", "--help"]}


@click.command(context_settings=_HELP)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
@PLATFORM
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.pass_obj
def save(paths: Paths, output: str | None, platform: str, names: tuple[str, ...]) -> None:
    """Save images to an archive that docker, podman and skopeo load too."""
    from minidock.engine.events import event_log
    from minidock.engine.images.images import check_platform
    from minidock.image.save import save as pieces
    from minidock.image.store import Store

    refuse_terminal(output)
    store = Store(paths.root)
    for name in names if platform else ():
        check_platform(store.resolve(name), name, platform)
    deliver(pieces(store, names), output)
    for name in names:
        with suppress(NotFoundError):  # a repository whose tags were all saved
            event_log.emit_image(paths.root, "save", store.resolve(name).id)


def refuse_terminal(output: str | None) -> None:
    """An archive on a terminal helps nobody."""
    if output is None and sys.stdout.isatty():
        raise UsageError("cowardly refusing to save to a terminal: use -o FILE, or redirect")


def deliver(archive: Iterator[bytes], output: str | None) -> None:
    """Write an archive to the file `output`, which gets its name when it is complete, or to standard output."""
    if output is None:
        for piece in archive:
            sys.stdout.buffer.write(piece)
        return
    # A pipe or a device is written to as it is.
    is_special = os.path.exists(output) and not stat.S_ISREG(os.stat(output).st_mode)
    directory, name = os.path.split(output)
    try:
        if not is_special:
            state.sweep(directory or ".", of=name)
        with open(output, "wb") if is_special else state.replacing(output, durable=False, mode=0o666) as file:
            file.writelines(archive)
    except FileNotFoundError:
        raise NotFoundError(f"no such directory: {directory or '.'}") from None


@click.command(context_settings=_HELP)
@click.option("-i", "--input", "file", metavar="FILE", help="Read from a file instead of standard input.")
@click.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="The images for this kind of machine.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what was loaded.")
@click.pass_obj
def load(paths: Paths, file: str | None, platform: str, quiet: bool) -> None:
    """Load images from an archive of docker, podman, skopeo, ... or minidock, bare or compressed."""
    from minidock.cli.image.ls import standard_input
    from minidock.engine.events import event_log
    from minidock.image.load import load as images
    from minidock.image.registry.manifests import parse_platform
    from minidock.image.store import Store

    if file is None and sys.stdin.isatty():
        raise UsageError("requested load from stdin, but stdin is empty: use -i FILE, or redirect")
    try:
        stream = standard_input() if file is None else open(file, "rb", buffering=0)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {file}") from None
    with stream:
        wanted = parse_platform(platform) if platform else None
        for loaded in images(Store(paths.root), stream, wanted):
            event_log.emit_image(paths.root, "load", loaded.image.id, loaded.image.labels)
            for name, old in loaded.replaced.items() if not quiet else ():
                click.echo(f"The image {name} already exists, renaming the old one with ID {old} to empty string")
            for name in loaded.names:
                click.echo(f"Loaded image: {name}")
            if not loaded.names:
                click.echo(f"Loaded image ID: {loaded.image.id}")
