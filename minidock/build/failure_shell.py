"""--on-failure=shell: look around in the state just before the RUN that failed, with all of its mounts and variables.

The stage's process has no terminal of its own (`scheduler.py`): it gets the command's streams for as long as the shell
runs. What is done in the shell is thrown away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minidock.build.builder import Builder
    from minidock.build.run_command import Job, RunFailed

Streams = tuple[int, int, int]  # descriptors to read from, to write to, and for errors


def kept() -> Streams:
    """The command's own streams, under other numbers."""
    return os.dup(0), os.dup(1), os.dup(2)


def open_shell(builder: Builder, job: Job, failure: RunFailed) -> None:
    """Open a shell where `job` has failed, and wait for its end."""
    from minidock.build import run_command

    streams = builder.asked.streams
    if streams is None:
        return
    builder.report("line", text=f"{failure}. This is the state just before it, with its variables and mounts; "
                                "what you change is thrown away; `exit` ends the build.")  # fmt: skip
    with _lent(streams):
        run_command.shell(builder.asked.paths, builder.ingest, job)


@contextmanager
def _lent(streams: Streams) -> Iterator[None]:
    own = [os.dup(number) for number in range(3)]
    try:
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        yield
    finally:
        for number, fd in enumerate(own):
            os.dup2(fd, number)
            os.close(fd)
