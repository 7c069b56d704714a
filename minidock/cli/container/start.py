"""`minidock start`: start containers that are created or have ended."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.attach_flags import ATTACHMENT, attachment_of, warn
from minidock.cli.flags.common import flag
from minidock.cli.flags.entity_names import STOPPED_CONTAINER
from minidock.cli.flags.unsupported import CHECKPOINT
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths
from minidock.errors import ConflictError, MinidockError


@usage.command(context_settings=HELP)
@flag("-a --attach", "Attach to its output, pass signals on, and end as it ends.")
@flag("-i --interactive", "Attach standard input too.")
@usage.with_parameters(ATTACHMENT)
@usage.with_parameters(CHECKPOINT)
@usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=STOPPED_CONTAINER)
@usage.pass_paths
def start(paths: Paths, /, names: tuple[str, ...], **flags: Any) -> int:
    """Start containers that are created or have ended."""
    from minidock.engine.container import start
    from minidock.engine.monitor import attach_client

    if not flags["attach"] and not flags["interactive"]:
        return for_each(names, lambda name: start_detached(paths, name))
    if len(names) > 1:
        raise ConflictError("you cannot start and attach multiple containers at once")
    streams = [*(["stdin"] if flags["interactive"] else []), "stdout", "stderr"]
    attachment = attachment_of(streams, flags)
    try:
        return attach_client.run(paths, partial(start.lock_for_start, paths.root, names[0]), attachment, warn)[1]
    except start.AlreadyUp as up:
        return attach_client.attach(up.record, attachment, warn)
    except MinidockError as error:
        error.exit_code = 1  # as in docker: only `run` tells by its exit code what failed
        raise


def start_detached(paths: Paths, name: str) -> None:
    """Start one container; nothing is to be done if it runs."""
    from minidock.engine.container import start
    from minidock.engine.monitor import attach_client, monitor_client

    try:
        attach_client.run(paths, partial(start.lock_for_start, paths.root, name), monitor_client.DETACHED, warn)
    except start.AlreadyUp:
        return
