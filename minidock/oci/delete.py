"""`delete`: end a container's processes and remove its cgroup and its state."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from minidock.errors import ConflictError, HostError, MinidockError, NotFoundError
from minidock.linux import syscalls
from minidock.observe import step
from minidock.oci import log
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container, remove_tree

_PATIENCE = 10.0  # seconds from SIGKILL to a process's end


def delete(words: Words) -> int:
    """`minidock-oci delete`. With --force, a container that does not exist is no error."""
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
    except HostError:  # a record that cannot be read
        if not force:
            raise
        remove_tree(container.directory)
        return
    status = container.status
    if status not in ("stopped", "created", "creating") and not force:
        raise ConflictError(f"cannot delete container {container.id} that is not stopped: {status}")
    remove(container)


def end(container: Container) -> None:
    """`delete --force` of a container that this process has run."""
    with suppress(NotFoundError), container.locked():
        remove(container)


def remove(container: Container, *, poststop: bool = True) -> None:
    """Kill what is left of the container, delete its cgroup, run its poststop hooks, delete its state.

    The caller holds its lock.
    """
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
    """SIGKILL for the first process and all in the cgroup; then delete the cgroup. Raises `HostError` if one stays."""
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
