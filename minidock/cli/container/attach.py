"""`minidock attach`: connect to a running container's input and output."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.attach_flags import ATTACHMENT, attachment_of, check_terminal, warn
from minidock.cli.flags.common import flag
from minidock.cli.flags.entity_names import RUNNING_CONTAINER
from minidock.engine.state_paths import Paths
from minidock.errors import ConflictError


@usage.command(context_settings=HELP)
@flag("--no-stdin", "Do not attach standard input.")
@usage.with_parameters(ATTACHMENT)
@usage.argument("name", metavar="CONTAINER", type=RUNNING_CONTAINER)
@usage.pass_paths
def attach(paths: Paths, /, name: str, no_stdin: bool, **flags: Any) -> int:
    """Attach standard input, output and error to a running container."""
    from minidock.engine.container import records, recovery
    from minidock.engine.monitor import attach_client

    recovery.sweep_all(paths.root)
    record = records.find(paths.root, name)
    if record.status == records.PAUSED:
        raise ConflictError("You cannot attach to a paused container, unpause it first")
    if record.status == records.RESTARTING:
        raise ConflictError("You cannot attach to a restarting container, wait until it is running")
    options = record.data["options"]
    takes_input = options["interactive"] and not no_stdin
    attachment = attachment_of([*["stdin"] * takes_input, "stdout", "stderr"], flags)
    check_terminal(attachment, is_terminal=options["tty"])
    return attach_client.attach(record, attachment, warn)
