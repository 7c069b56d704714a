"""Remove what a container has: at its end, after a failure half-way, and after its monitor was killed.

`release_resources` removes what a container has outside its directory, each piece whether it exists or not, so that one
function serves all three cases. `recovery.sweep` finds containers whose monitor was killed.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, suppress

from minidock import state
from minidock.engine import state_paths
from minidock.engine.container import record_file, records
from minidock.engine.container.records import CREATED, EXITED, REMOVING, RESTARTING, Record
from minidock.engine.events import event_log
from minidock.engine.exec import exec_ids
from minidock.errors import MinidockError
from minidock.linux import rootless, syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.observe import step

LOG_SUFFIXES = ("-json.log", "-local.log")  # those of the log drivers, which few commands need to load


def release_resources(record: Record) -> None:
    """Remove all that one run of a container has outside its directory: processes, cgroup, interfaces. Idempotent.

    Every piece is tried; the first failure is raised at the end, when the others are gone.
    """
    failure: Exception | None = None
    for piece in (_remove_cgroup, _end_foreign_runtime, _withdraw_ports, _release_network, _release_mounts):
        try:
            piece(record)
        except (OSError, MinidockError) as error:
            failure = failure or error
    if failure:
        raise failure


def _remove_cgroup(record: Record) -> None:
    from minidock.engine.container import container_cgroup  # here, as every command imports this module

    cgroup = container_cgroup.find(record)
    if cgroup is None:
        return
    try:
        cgroup.kill()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # another process removes it at this moment
            raise
    cgroup.delete()


def _withdraw_ports(record: Record) -> None:
    if rootless.is_on():
        from minidock.engine.spec import published_ports

        published_ports.withdraw(record)


def _end_foreign_runtime(record: Record) -> None:
    if record.data["options"]["isolation"].get("runtime"):
        from minidock.engine.container import foreign_runtime

        foreign_runtime.delete(record)


def _release_network(record: Record) -> None:
    if record.data["attachments"] or record.data["networks"]:
        from minidock.network import network_drivers
        from minidock.network.release import release_endpoints

        with ExitStack() as stack:
            netns = None
            if any(not row["host_interface"] for row in record.data["networks"].values()):
                netns = _netns_of_others(record)
                if netns is not None:
                    stack.callback(os.close, netns)
            release_endpoints(record.root, record.id, netns_fd=netns)
        for name, had in record.data["networks"].items():
            told = {"container": record.id, "name": name, "type": had.get("driver", network_drivers.BRIDGE)}
            event_log.emit(record.root, "network", "disconnect", had["network"], **told)


def _netns_of_others(record: Record) -> int | None:
    """A descriptor of the container's network namespace, if another container is still in it (--network
    container:NAME).
    """
    from minidock.engine.container import init_process
    from minidock.linux import namespaces

    for other in records.load_all(record.root):
        if other.data["options"]["network"] == f"container:{record.id}" and (pid := init_process.running_pid(other)):
            with suppress(FileNotFoundError):  # it has just ended
                return namespaces.open_namespace(pid, "network")
    return None


def _release_mounts(record: Record) -> None:
    """What it had mounted on the host is not used by this container any more."""
    if record.data["options"]["isolation"]["ipc"] == "shareable":
        from minidock.engine.spec import shared_namespaces

        shared_namespaces.release(record)
    if any(point["type"] == "volume" for point in record.data.get("mounts", ())):
        from minidock.engine.spec import mount_points

        mount_points.release(record)


def _remove_sockets(record: Record) -> None:
    """Remove its files below /run: the monitor's socket, and files of exec monitors that were killed."""
    with suppress(FileNotFoundError):
        os.unlink(state_paths.socket_path(record.id))
    exec_ids.running(record.id)


def _remove_cidfile(record: Record) -> None:
    """Remove the file for the container's id (--cidfile), if the container never ran."""
    path = record.data["options"]["cidfile"]
    if not path or record.status != CREATED:
        return
    with suppress(OSError, UnicodeDecodeError):  # it is the user's, who may have deleted or replaced it
        with open(path, encoding="ascii") as file:
            ours = file.read() == record.id
        if ours:
            os.unlink(path)


def discard(record: Record, *, keep_volumes: bool = False) -> None:
    """Remove all that a container has, and its directory; only volumes with names stay.

    From the rename on the container does not exist for other commands and its name is free. If the rest fails or is
    killed, the next `sweep` finishes it. With `keep_volumes`, anonymous volumes stay too.
    """
    if _has_anonymous(record):
        with suppress(FileNotFoundError):
            try:
                _note_keep_volumes(record, keep_volumes)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                _remove_files(record.directory, record.id)
                _note_keep_volumes(record, keep_volumes)
    doomed = os.path.join(record.root, "containers", REMOVING + record.id)
    with step("Remove the container and its files", book="4.6.4"):
        with suppress(FileNotFoundError):
            syscalls.rename(record.directory, doomed)
        finish_removal(record.root, record.id)


def _note_keep_volumes(record: Record, keep: bool) -> None:
    with records.changing(record):
        record.data["keepVolumes"] = keep


def _has_anonymous(record: Record) -> bool:
    """Whether it has anonymous volumes."""
    return any(point["anonymous"] for point in record.data.get("mounts", ()))


def finish_removal(root: str, container_id: str) -> None:
    """Remove all that is left of a container whose directory has been renamed for its removal. Idempotent.

    Files are deleted first: on a full disk, releasing an address needs the space.
    """
    doomed = os.path.join(root, "containers", REMOVING + container_id)
    try:
        record = records.load(root, REMOVING + container_id)
    except records.DamagedRecordError:
        from minidock.engine.container import damaged_record

        damaged_record.release_resources(root, container_id)
        record = None
    if record:
        record.id = container_id
        _remove_cgroup(record)
        if keep := record.data.get("keepFiles"):
            _keep_for_build(doomed, keep)
        _remove_files(doomed, container_id)
        _release_network(record)
        _release_mounts(record)
        if _has_anonymous(record) and not record.data.get("keepVolumes"):
            from minidock.engine.volumes import rm

            rm.remove_anonymous(root, record.data["mounts"])
        _remove_sockets(record)
        _remove_cidfile(record)
    remove_tree(state_paths.waiting_directory(container_id))
    remove_tree(doomed)
    record_file.forget_aside(container_id)


def _keep_for_build(directory: str, keep: str) -> None:
    """Move what the container of a build's step has written, and its specification, to the build's directory, if that
    build still runs.
    """
    for name in ("bundle/config.json", "upper"):
        with suppress(FileNotFoundError):
            syscalls.rename(os.path.join(directory, name), os.path.join(keep, os.path.basename(name)))


def _remove_files(directory: str, container_id: str) -> None:
    """Delete what can fill a disk: the files that the container has written, and its log files."""
    for name in ("upper", "work"):
        remove_tree(os.path.join(directory, name))
    for name in os.listdir(directory):
        if name.startswith(tuple(container_id + suffix for suffix in LOG_SUFFIXES)):
            with suppress(FileNotFoundError):  # another process removes the same
                syscalls.unlink(os.path.join(directory, name))


def finish(
    record: Record, exit_code: int, *, oom_killed: bool = False, error: str = "", restarting: bool = False
) -> None:
    """Clean up after a container that has ended, or could not be started; remove it, or record how it ended.

    `restarting`: its monitor will start it again.
    """
    failure: Exception | None = None
    if not record.is_kept and not restarting:
        try:
            discard(record)
            return
        except OSError as why:
            failure = why  # of a directory on a read-only root: its end is kept in the run directory
    try:
        if not restarting:
            _remove_sockets(record)
        release_resources(record)
    except (OSError, MinidockError) as why:
        failure = failure or why
    with records.changing(record, aside=True):
        present = record.data["state"]
        if record.is_up:
            present |= {"status": RESTARTING if restarting else EXITED, "pid": 0, "exitCode": exit_code,
                        "oomKilled": oom_killed, "error": error, "finishedAt": state.now()}  # fmt: skip
            record.data["restartCount"] = 0 if present["again"] else record.data["restartCount"] + restarting
            present["again"] = False
        elif record.status == RESTARTING:
            present |= {"status": EXITED, "error": error}
        elif record.status != EXITED:
            present |= {"exitCode": exit_code, "error": error}
        present["undone"] = failure is None
        if failure is None:
            record.data["networks"] = {}
    if failure:
        raise failure
