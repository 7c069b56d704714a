"""`minidock update`: other limits, and another restart policy, for containers that are there."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from minidock.cli.commands import HELP
from minidock.cli.flags import limits, values
from minidock.cli.flags.common import check_root
from minidock.cli.for_each import for_each
from minidock.engine.container.options import Limits
from minidock.engine.paths import Paths
from minidock.errors import ConflictError, UsageError

_DEVICES = ("blkio_weight_device", "device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")


def _with_limits(command: Any) -> Any:
    for option in reversed(limits.LIMITS):
        command = option(command)
    return command


@click.command(context_settings=HELP)
@_with_limits
@click.option("--restart", metavar="POLICY", help="When to start it again: no, on-failure[:N], always, unless-stopped.")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def update(paths: Paths, /, names: tuple[str, ...], restart: str | None, **flags: Any) -> int:
    """Change limits and restart policy of CONTAINERs; of one that runs, at once."""
    from minidock.engine.container import cleanup, update_limits

    check_root()
    given = {name: value for name, value in flags.items() if value not in (None, "")}
    if not given and restart is None:
        raise UsageError("you must provide one or more flags when using this command")
    policy = None if restart is None else _policy(restart)
    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: update_limits.update(paths.root, name, partial(changed, given=given), policy))


def _policy(text: str) -> tuple[str, int]:
    try:
        return values.restart_policy(text)
    except UsageError as error:
        error.exit_code = 1
        raise


def changed(present: Limits, given: dict[str, Any]) -> Limits:
    """The limits `present` with what is `given` as flags; 0 changes nothing. Raises in docker's words for conflicts."""
    given = {name: value for name, value in given.items() if value or name == "pids_limit"}
    memory, swap = given.get("memory"), present.memory_swap or 2 * (present.memory or 0)
    if memory and "memory_swap" not in given and swap > 0:
        if memory > swap:
            raise ConflictError("Memory limit should be smaller than already set memoryswap limit, update the "
                                "memoryswap at the same time")  # fmt: skip
        given["memory_swap"] = swap
    devices = {name: getattr(present, name) for name in _DEVICES}
    as_flags = {**present._asdict(), "pids_limit": present.pids, **dict.fromkeys(_DEVICES, ())}
    return limits.parse({**as_flags, **given})._replace(**devices)
