"""`run`: start the container, forward signals and the terminal's bytes, and exit with its program's exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.errors import EXIT_SIGNAL
from minidock.oci import start
from minidock.runtime import foreground
from minidock.runtime import lifecycle as runtime

if TYPE_CHECKING:
    from minidock.oci.state_directory import Container
    from minidock.runtime.lifecycle import CreatedProcess

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Processes that the container leaves behind become our children, and not PID 1's (prctl(2))."""
    from minidock.linux import syscalls

    syscalls.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def run(container: Container, created: CreatedProcess, *, detach: bool, keep: bool) -> int:
    """Start what waits at its gate; the exit code of the command. What cannot be started is deleted."""
    from minidock.oci import delete

    try:
        start.begin(container)
    except BaseException:
        created.kill()
        delete.end(container)
        raise
    if detach:
        return 0
    foreground.attend(created, lambda: None)
    code = runtime.reap(created)
    if not keep:
        delete.end(container)
    return code if code >= 0 else EXIT_SIGNAL - code
