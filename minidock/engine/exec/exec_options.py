"""What a user asks of `exec`: what the command line hands to the engine. It is read at every start, so it is small."""

from __future__ import annotations

from minidock.named_tuple import NamedTuple


class ExecOptions(NamedTuple):
    """What a user asks of `exec`; the fields are docker's flags. None means: as the container has it."""

    command: list[str]
    env: list[str]
    user: str | None
    workdir: str | None
    privileged: bool
    interactive: bool
    tty: bool
    detach: bool
