"""`kill` and `delete`: a container's end, and the end of what it has left."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from minidock.errors import ConflictError, HostError, MinidockError, NotFoundError, UsageError
from minidock.linux import syscalls
from minidock.observe import step
from minidock.oci import log
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container, remove_tree

_PATIENCE = 10.0  # seconds from SIGKILL to a process's end


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


def delete(words: Words) -> int:
    """`minidock-oci delete`: of what is gone already, --force makes no complaint."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0])
    force = bool(words.flags.get("force"))
    try:
        with container.locked():
            _delete(container, force=force)
    except NotFoundError:
        if not force:
            raise
    return 0


def _delete(container: Container, *, force: bool) -> None:
    try:
        container.load()
    except NotFoundError:  # a `create` that was killed before it had a record, or a `delete` after
        remove_tree(container.directory)
        raise
    except HostError:  # a record that nobody can read
        if not force:
            raise
        remove_tree(container.directory)
        return
    status = container.status
    if status not in ("stopped", "created", "creating") and not force:
        raise ConflictError(f"cannot delete container {container.id} that is not stopped: {status}")
    remove(container)


def end(container: Container) -> None:
    """`delete --force` of a container that we have run ourselves."""
    with suppress(NotFoundError), container.locked():
        remove(container)


def remove(container: Container, *, poststop: bool = True) -> None:
    """Kill what is left of the container, remove its cgroup, run its poststop hooks, forget it. Its lock is ours."""
    with step("Kill what is left, and remove the cgroup", book="3.2"):
        _end_processes(container)
    if poststop and container.data.get("hooked"):
        from minidock.runtime import hooks

        spec = container.spec
        try:
            hooks.run(spec, "poststop", hooks.state(spec, container.id, "stopped", 0))
        except MinidockError as error:
            log.warn(str(error))
    with step("Remove the state of the container", book="3.4"):
        container.remove_directory()


def _end_processes(container: Container) -> None:
    """SIGKILL for the first process and all in the cgroup; then the cgroup goes. Raises `HostError` if one stays."""
    with suppress(ConflictError):
        pidfd = container.open_process()
        with suppress(ProcessLookupError):
            syscalls.pidfd_send_signal(pidfd, signal.SIGKILL)
        cgroup = container.cgroup
        if cgroup and cgroup.exists():
            cgroup.thaw()
        ended = select.select([pidfd], [], [], _PATIENCE)[0]
        os.close(pidfd)
        if not ended:
            raise HostError(f"container init still running: process {container.pid} of {container.id}")
    cgroup = container.cgroup
    if cgroup and cgroup.exists():
        cgroup.kill()
        cgroup.delete()
    from minidock.linux import cgroups_v1

    cgroups_v1.delete(container.data.get("places") or [])
