"""`minidock create`: the first half of `run`, in a module of its own: `run` need not build its hundred flags too."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.echo import echo
from minidock.cli.flags.common import CONTEXT
from minidock.cli.flags.container_flags import CONTAINER_OPTIONS, find_image, to_options
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError


@usage.command(context_settings=CONTEXT)
@usage.argument("image", type=IMAGE)
@usage.argument("command", nargs=-1)
@usage.with_parameters(CONTAINER_OPTIONS)
@usage.pass_paths
def create(paths: Paths, /, **flags: Any) -> None:
    """Create a container from IMAGE that is to run COMMAND, without starting it, and print its id."""
    from minidock.engine.container.create import create_container, keep_created

    options = to_options(flags)
    try:
        record, lock = create_container(paths.root, options, find_image(paths, options, flags))
        keep_created(record, lock)
    except MinidockError as error:
        error.exit_code = 1  # as in docker: 125 is for flags, here
        raise
    echo(record.id)
