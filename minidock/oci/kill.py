"""`kill`: a signal for a container's first process, or for all of its processes."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from minidock.errors import ConflictError, UsageError
from minidock.linux import syscalls
from minidock.observe import step
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container


def kill(words: Words) -> int:
    """`minidock-oci kill`: a signal for the first process; with --all, for every process of the container."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    number = signal_number(words.arguments[1] if words.arguments[1:] else "SIGTERM")
    every = bool(words.flags.get("all"))
    cgroup = container.cgroup
    if (every or (number == signal.SIGKILL and not container.data.get("ownPids"))) and cgroup and cgroup.exists():
        # Without a process namespace of its own, the end of the first process would not be the others'.
        with step("Signal all processes of the container", book="3.2"):
            _signal_all(container, number)
        return 0
    try:
        with step("Signal the container's first process", book="2.2.4"):
            pidfd = container.open_process()
            syscalls.pidfd_send_signal(pidfd, number)
    except (ConflictError, ProcessLookupError):
        if not every:
            raise ConflictError(f"container not running: {container.id}") from None
    return 0


def _signal_all(container: Container, number: int) -> None:
    cgroup = container.cgroup
    assert cgroup
    if number == signal.SIGKILL:
        cgroup.kill()
        return
    for pid in filter(None, cgroup.processes()):  # 0: of a process namespace that is not below ours
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def signal_number(name: str) -> int:
    """A signal by its number or its name, with or without SIG. Raises `UsageError` for another word."""
    if name.isdigit():
        number = int(name)
        if number > signal.SIGRTMAX:
            raise UsageError(f"unknown signal {name!r}")
        return number
    word = name.upper().removeprefix("SIG")
    try:
        return int(signal.Signals[f"SIG{word}"])
    except KeyError:
        raise UsageError(f"unknown signal {name!r}") from None
