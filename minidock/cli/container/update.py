"""`minidock update`: change the limits and the restart policy of existing containers."""

from __future__ import annotations

from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import check_root
from minidock.cli.flags.entity_names import CONTAINER
from minidock.cli.flags.limit_flags import LIMITS
from minidock.cli.for_each import for_each
from minidock.engine.request import limits, values
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError


@usage.command(context_settings=HELP)
@usage.with_parameters(LIMITS)
@usage.option("--restart", metavar="POLICY", help="When to start it again: no, on-failure[:N], always, unless-stopped.")
@usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=CONTAINER)
@usage.pass_paths
def update(paths: Paths, /, names: tuple[str, ...], restart: str | None, **flags: Any) -> int:
    """Change limits and restart policy of CONTAINERs; of one that runs, at once."""
    from minidock.engine.container import recovery
    from minidock.engine.container.update import update_container

    check_root()
    given = {name: value for name, value in flags.items() if value not in (None, "")}
    if not given and restart is None:
        raise UsageError("you must provide one or more flags when using this command")
    policy = None if restart is None else _policy(restart)
    recovery.sweep_all(paths.root)
    return for_each(
        names, lambda name: update_container(paths.root, name, partial(limits.changed, given=given), policy)
    )


def _policy(text: str) -> tuple[str, int]:
    try:
        return values.restart_policy(text)
    except UsageError as error:
        error.exit_code = 1
        raise
