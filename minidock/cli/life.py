"""Commands that lead a container through its life, after its creation."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from minidock.cli.attachment import attachment_of, warn, with_attachment
from minidock.cli.commands import HELP
from minidock.cli.container import for_each
from minidock.engine.paths import Paths
from minidock.errors import ConflictError

NAMES = click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)


@click.command(context_settings=HELP)
@click.option("-a", "--attach", is_flag=True, help="Attach to its output, pass signals on, and end as it ends.")
@click.option("-i", "--interactive", is_flag=True, help="Attach standard input too.")
@with_attachment
@NAMES
@click.pass_obj
def start(paths: Paths, /, names: tuple[str, ...], **flags: Any) -> int:
    """Start containers that are created or have ended."""
    from minidock.engine import client, containers

    if not flags["attach"] and not flags["interactive"]:
        return for_each(names, lambda name: _start(paths, name, client.DETACHED))
    if len(names) > 1:
        raise ConflictError("you cannot start and attach multiple containers at once")
    streams = [*(["stdin"] if flags["interactive"] else []), "stdout", "stderr"]
    attachment = attachment_of(streams, flags)
    try:
        return client.run(paths, partial(containers.claim, paths.root, names[0]), attachment, warn)[1]
    except containers.AlreadyUp as up:
        return client.attach(up.record, attachment, warn)


def _start(paths: Paths, name: str, attachment: Any) -> None:
    from minidock.engine import client, containers

    try:
        client.run(paths, partial(containers.claim, paths.root, name), attachment, warn)
    except containers.AlreadyUp:
        return
