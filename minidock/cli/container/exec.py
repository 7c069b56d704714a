"""`minidock exec`: run one more process in a running container."""

from __future__ import annotations

import os
from typing import Any

from minidock.cli import usage
from minidock.cli.flags import key_values
from minidock.cli.flags.common import CONTEXT, check_root, flag, list_option
from minidock.cli.flags.entity_names import RUNNING_CONTAINER
from minidock.engine.state_paths import Paths
from minidock.errors import ClientError, MinidockError


@usage.command("exec", context_settings=CONTEXT)
@usage.argument("container", type=RUNNING_CONTAINER)
@usage.argument("command", nargs=-1, required=True)
@flag("-d --detach", "Leave the command to itself once it runs.")
@usage.option("--detach-keys", default="", metavar="KEYS", help="What is typed to detach [ctrl-p,ctrl-q].")
@list_option("--env", "Set a variable, or pass on the caller's.", "NAME[=VALUE]", "-e")
@list_option("--env-file", "Read variables from a file.", "FILE")
@flag("-i --interactive", "Pass standard input to the command.")
@flag("--privileged", "Give the command all power over the host.")
@flag("-t --tty", "Give the command a terminal.")
@usage.option("-u", "--user", metavar="USER[:GROUP]", help="Name or number, as the container knows it.")
@usage.option("-w", "--workdir", metavar="DIRECTORY", help="Working directory inside the container.")
@usage.pass_paths
def exec_command(paths: Paths, /, container: str, command: tuple[str, ...], **flags: Any) -> int:
    """Run COMMAND in the running CONTAINER, beside what it runs already, and end as that ends."""
    from minidock.engine.exec import exec_client
    from minidock.engine.exec.exec_options import ExecOptions
    from minidock.engine.monitor import detach_keys

    check_root()
    if flags["interactive"] and flags["tty"] and not flags["detach"] and not os.isatty(0):
        raise ClientError("the input device is not a TTY")
    asked = ExecOptions(
        command=list(command),
        env=key_values.environment(flags["env"], flags["env_file"]),
        user=flags["user"] or None,
        workdir=flags["workdir"] or None,
        privileged=flags["privileged"],
        interactive=flags["interactive"] and not flags["detach"],
        tty=flags["tty"],
        detach=flags["detach"],
    )
    keys = detach_keys.parse(flags["detach_keys"])
    try:
        return exec_client.execute(paths, container, asked, keys)
    except MinidockError as error:
        if asked.detach:
            error.exit_code = 1  # as in docker: nobody waits for what it would have ended with
        raise
