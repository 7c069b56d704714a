"""`minidock run`: create a container and start it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.cli.echo import echo
from minidock.cli.flags.attach_flags import ATTACHMENT, attachment_of, check_terminal, warn
from minidock.cli.flags.common import CONTEXT
from minidock.cli.flags.container_flags import CONTAINER_OPTIONS, find_image, to_options
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths
from minidock.errors import EXIT_ENGINE, ClientError, MinidockError, UsageError

if TYPE_CHECKING:
    from minidock.engine.container.records import Record


@usage.command(context_settings=CONTEXT)
@usage.argument("image", type=IMAGE)
@usage.argument("command", nargs=-1)
@usage.option("-d", "--detach/--no-detach", default=False, help="Run it in the background, and print its id.")
@usage.with_parameters(CONTAINER_OPTIONS)
@usage.with_parameters(ATTACHMENT)
@usage.pass_paths
def run(paths: Paths, /, **flags: Any) -> int:
    """Create a container from IMAGE, run COMMAND in it, and end as that ends.

    When standard input and output are both terminals, -i -t is the default.
    """
    from minidock.engine.container.create import create_container
    from minidock.engine.monitor import attach_client

    detached = flags["detach"]
    if detached and flags["attach"]:
        raise UsageError("conflicting options: cannot specify both --attach and --detach")
    with engine_errors():
        options = to_options(flags, detached=detached)
        attachment = attachment_of(() if detached else options.attach, flags)
        check_terminal(attachment, is_terminal=options.tty)
        image = find_image(paths, options, flags)

        def make() -> tuple[Record, int]:
            record, lock = create_container(paths.root, options, image)
            if not (attachment.stdout or attachment.stderr):  # before it is started: so it is known what was not
                echo(record.id)
            return record, lock

        return attach_client.run(paths, make, attachment, warn)[1]


@contextmanager
def engine_errors() -> Iterator[None]:
    """An error's plain exit code 1 would be taken for the program's own; only who leaves with Ctrl-C gets it."""
    from minidock.engine.monitor.monitor_client import Abandoned

    try:
        yield
    except Abandoned:
        raise
    except MinidockError as error:
        if error.exit_code == MinidockError.exit_code and not isinstance(error, ClientError):
            error.exit_code = EXIT_ENGINE
        raise
