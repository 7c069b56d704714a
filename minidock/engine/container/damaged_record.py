"""Remove a container whose record is damaged, using what the kernel and the file system show of it.

A monitor that runs has the whole record in memory: once the container's processes are killed it writes the record anew,
and the removal is an ordinary one. Without a monitor, the parts of a container are found by its id, which is in their
names: its cgroup, the root of its processes, its interfaces and leases, its mounts, its entry among a volume's users,
its socket.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from minidock.engine import state_paths
from minidock.engine.container import records
from minidock.engine.container.records import REMOVING, DamagedRecordError
from minidock.engine.events import event_log
from minidock.engine.volumes import volume_mounts, volumes
from minidock.errors import HostError, MinidockError
from minidock.linux import cgroups, syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.linux.timeouts import ActivityTimeout
from minidock.observe import step

_PATIENCE = 10.0  # seconds
_POLL = 0.01


def kill_processes(root: str, container_id: str) -> bool:
    """Kill all processes of a container, and its monitor if that does not write the record anew then.

    Returns whether the record can be read now, or is gone with the container.
    """
    with step("Kill the processes of a damaged container", book="2.2.4"):
        _wait(lambda: _is_quiet(container_id), partial(_processes, container_id))
    if _is_legible(root, container_id):
        return True
    holders = partial(_holders, root, container_id)
    with suppress(HostError):
        _wait(lambda: _is_legible(root, container_id) or not holders(), holders)
    if _is_legible(root, container_id):
        return True
    for pid in holders():
        if os.getsid(pid) == pid:  # a monitor; others hold the lock for a moment only
            _kill(pid)
    _wait(lambda: not holders(), holders)
    return False


def remove_container(root: str, container_id: str) -> None:
    """Remove the directory of a container that has no processes, and before it all that lies elsewhere. Idempotent."""
    release_resources(root, container_id)
    doomed = os.path.join(root, "containers", REMOVING + container_id)
    with step("Remove the container and its files", book="4.6.4"):
        with suppress(FileNotFoundError):
            syscalls.rename(records.directory(root, container_id), doomed)
        remove_tree(doomed)
    event_log.emit(root, "container", "destroy", container_id)


def release_resources(root: str, container_id: str) -> None:
    """Remove all that a container has outside its directory. All is tried; the first failure is raised."""
    failure: Exception | None = None
    for piece in (_remove_cgroup, _release_network, _release_mounts, _release_volumes, _remove_socket):
        try:
            piece(root, container_id)
        except (OSError, MinidockError) as error:
            failure = failure or error
    if failure:
        raise failure


def _remove_cgroup(_: str, container_id: str) -> None:
    for path in _cgroups(container_id):
        cgroup = cgroups.Cgroup(path)
        cgroup.kill()
        cgroup.delete()


def _release_network(root: str, container_id: str) -> None:
    from minidock.network.release import release_endpoints

    release_endpoints(root, container_id)


def _release_mounts(root: str, container_id: str) -> None:
    for name in (container_id, REMOVING + container_id):
        volume_mounts.detach(records.directory(root, name))


def _release_volumes(root: str, container_id: str) -> None:
    for volume in volumes.load_all(root):
        if os.path.exists(volume.path("users", container_id)):
            volume_mounts.unmount(volume, container_id)


def _remove_socket(_: str, container_id: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(state_paths.socket_path(container_id))


def _cgroups(container_id: str) -> list[str]:
    """The container's cgroups below any parent: named by its id, or its scope (`linux/systemd.py`)."""
    top = cgroups.hierarchy()
    names = {container_id, f"minidock-{container_id}.scope"}
    return [os.path.join(place, name) for place, inner, _ in os.walk(top or "") for name in inner if name in names]


def _is_quiet(container_id: str) -> bool:
    """Kill the container's processes; returns whether there were none."""
    for path in _cgroups(container_id):
        with suppress(OSError):
            container = os.path.join(path, "container")  # beside its monitor, in a scope
            cgroups.Cgroup(container if os.path.isdir(container) else path).kill()
    found = list(_processes(container_id))
    for pid in found:
        _kill(pid)
    return not found


def _processes(container_id: str) -> Iterator[int]:
    """The processes whose root is the container's: an overlay that writes to its directory (proc_pid_mountinfo(5))."""
    sign = f"/containers/{container_id}/upper"
    for pid in _pids():
        with suppress(OSError), open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            if any(sign in line and line.split(" ")[4] == "/" for line in lines):
                yield pid


def _holders(root: str, container_id: str) -> list[int]:
    """The processes that have the container's lock open, also if it has no name any more."""
    path = os.path.join(records.directory(root, container_id), "lock")
    found = []
    for pid in _pids():
        with suppress(OSError):
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
            if pid != os.getpid() and {path, f"{path} (deleted)"} & set(links):
                found.append(pid)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_legible(root: str, container_id: str) -> bool:
    try:
        records.load(root, container_id)
    except DamagedRecordError:
        return False
    return True


def _wait(until: Callable[[], bool], processes: Callable[[], Iterable[int]]) -> None:
    """Raises `HostError` if the `processes` do nothing about it: those that the kernel does not let die."""
    patience = ActivityTimeout(_PATIENCE, processes)
    while not until():
        if patience.is_over:
            raise HostError(f"processes of a damaged container did not end within {_PATIENCE:.0f} seconds of SIGKILL")
        time.sleep(_POLL)
