"""`minidock run`: the main job."""

from __future__ import annotations

import sys
from typing import Any

import click

from minidock.cli.creation import CONTEXT, CreationCommand, check_root, to_options, with_options
from minidock.engine.paths import Paths
from minidock.errors import EXIT_ENGINE, MinidockError


@click.command(cls=CreationCommand, context_settings=CONTEXT)
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@with_options
@click.pass_obj
def run(paths: Paths, /, **flags: Any) -> int:
    """Create a container from IMAGE, run COMMAND in it, and end as that ends.

    When standard input and output are both terminals, -i -t is the default.
    """
    from minidock.engine import client, containers, images

    try:
        options = to_options(flags)
        check_root()
        image = images.find_or_fetch(paths.root, options.image, options.pull, _say)
        return client.run(
            paths, lambda: containers.create(paths.root, options, image), lambda line: _say(f"WARNING: {line}")
        )
    except MinidockError as error:
        if error.exit_code == MinidockError.exit_code:
            error.exit_code = EXIT_ENGINE  # a plain 1 would be taken for the program's own
        raise


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
