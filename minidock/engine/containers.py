"""Containers as a user knows them: made, run, listed, removed.

`create` makes everything that is a file: the record, the bundle, the container's own directory. What is not a file (a
cgroup, a network cable, processes) is made by the monitor (`monitor.py`), and both are undone here, by `undo`: in
reverse order, each piece whether it is there or not, so that the same function serves the polite end, the failure
half-way, and the next command that finds what a SIGKILL left.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from minidock import state
from minidock.engine import bundle, etc, names, records
from minidock.engine.options import ContainerOptions
from minidock.engine.paths import Paths
from minidock.engine.records import CREATED, EXITED, RUNNING, Record
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError
from minidock.linux import cgroups
from minidock.observe import step
from minidock.runtime import spec as oci

if TYPE_CHECKING:
    from minidock.image.store import Image
    from minidock.network.bridge import Endpoint

_REMOVING = ".removing-"
KILLED = 137


def create(paths: Paths, options: ContainerOptions, image: Image) -> tuple[Record, oci.Spec, Endpoint | None, int]:
    """Make a container that is ready to be started.

    Returns its record, its specification, its place in the network (None for none or host), and its lock, held: the
    container lives as long as somebody keeps that descriptor open. Raises with everything undone.
    """
    check_host()
    image.check_runnable(options.image)
    record, lock = _claim(paths.root, options, image)
    try:
        endpoint = None
        if options.network == "bridge":
            from minidock.network import bridge

            with step("an address on the bridge", book="4.1.1"):
                endpoint = bridge.reserve(paths.root, record.id)
            record.data["network"] = {"address": endpoint.address, "prefix": endpoint.prefix,
                                      "gateway": endpoint.gateway, "mac": endpoint.mac,
                                      "bridge": endpoint.bridge}  # fmt: skip
        with step("what the container is, written down as an OCI bundle", book="3.4"):
            spec = _write_bundle(record, options, image, endpoint)
        if options.cidfile:
            _write_cidfile(options.cidfile, record.id)
    except BaseException:
        remove_files(undo(record))
        os.close(lock)
        raise
    return record, spec, endpoint, lock


def check_host() -> None:
    """Refuse a kernel that cannot run any container, before anything is made."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if "overlay" not in file.read().split() and os.system("modprobe -q overlay") != 0:
            raise HostError("this kernel has no overlay file system: load or build the module 'overlay'", exit_code=125)


def _claim(root: str, options: ContainerOptions, image: Image) -> tuple[Record, int]:
    """Under the lock of all containers: a free name, an id, a directory, a record in it."""
    with records.all_locked(root):
        sweep(root)
        taken = {record.name: record.id for record in records.load_all(root)}
        name = names.check_name(options.name) if options.name is not None else names.random_name(set(taken))
        if name in taken:
            raise ConflictError(
                f'Conflict. The container name "/{name}" is already in use by container "{taken[name]}". '
                "Remove or rename that container, or choose another name",
                exit_code=EXIT_ENGINE,
            )
        container_id = names.new_id()
        lock = records.make_directory(root, container_id)
        words = bundle.command(options, image)
        data = {
            "id": container_id,
            "name": name,
            "created": now(),
            "image": image.id,
            "imageName": options.image,
            "command": words,
            "options": options.as_json(),
            "config": {"labels": {**(bundle.wish(image, "Labels") or {}), **options.labels},
                       "stopSignal": options.stop_signal or bundle.wish(image, "StopSignal") or "SIGTERM"},
            "state": {"status": CREATED, "pid": 0, "exitCode": 0, "oomKilled": False, "error": "",
                      "startedAt": "", "finishedAt": ""},
        }  # fmt: skip
        record = Record(root, container_id, data)
        record.save()
    return record, lock


def _write_bundle(record: Record, options: ContainerOptions, image: Image, endpoint: Endpoint | None) -> oci.Spec:
    hostname = options.hostname or (etc.host_name() if options.network == "host" else record.id[:12])
    for name in ("upper", "work", "bundle", "bundle/rootfs"):
        os.mkdir(record.path(name), 0o755 if name == "upper" else 0o711)
    etc.write(record.directory, hostname, options.network, endpoint.address if endpoint else None)
    config = bundle.specification(options, image, record.id, record.directory, hostname)
    state.write_text(record.path("bundle", "config.json"), oci.dump(config), durable=False, mode=0o600)
    record.data["hostname"] = hostname
    record.data["cgroup"] = config["linux"]["cgroupsPath"]
    record.save()
    return oci.check(record.path("bundle"), config)


def _write_cidfile(path: str, container_id: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise ConflictError(
            f"container ID file found, make sure the other container isn't running or delete {path}",
            exit_code=EXIT_ENGINE,
        ) from None
    except OSError as error:
        raise HostError(f"failed to create the container ID file {path}: {error.strerror}", exit_code=125) from error
    with os.fdopen(fd, "w") as file:
        file.write(container_id)


def undo(record: Record) -> Record:
    """Take away all that a container has outside its directory: processes, cgroup, cable, address. Idempotent.

    Every piece is tried; the first failure is raised at the end, when the others are gone.
    """
    failure: Exception | None = None
    for piece in (_undo_cgroup, _undo_network):
        try:
            piece(record)
        except (OSError, MinidockError) as error:
            failure = failure or error
    if failure:
        raise failure
    return record


def _undo_cgroup(record: Record) -> None:
    top, path = cgroups.hierarchy(), record.data.get("cgroup")
    if top is None or not path:
        return
    cgroup = cgroups.Cgroup(os.path.join(top, path.lstrip("/")))
    if cgroup.exists():
        cgroup.kill()
        cgroup.delete()


def _undo_network(record: Record) -> None:
    if record.data["options"]["network"] == "bridge":
        from minidock.network import bridge

        bridge.release(record.root, record.id)


def remove_files(record: Record) -> None:
    """Remove the container's directory. It is renamed first, so that no half of a container is ever seen."""
    _remove_directory(record.root, record.id)


def _remove_directory(root: str, container_id: str) -> None:
    doomed = os.path.join(root, "containers", _REMOVING + container_id)
    try:
        os.rename(records.directory(root, container_id), doomed)
    except FileNotFoundError:
        return
    remove_tree(doomed)


def remove_tree(path: str) -> None:
    """Remove a directory and all below it; somebody else may be doing the same."""
    for directory, _, files, fd in os.fwalk(path, topdown=False, onerror=None):
        for name in files:
            _quietly(lambda name=name, fd=fd: os.unlink(name, dir_fd=fd))  # type: ignore[misc]
        _quietly(lambda directory=directory: os.rmdir(directory))  # type: ignore[misc]
    _quietly(lambda: os.rmdir(path))


def sweep(root: str) -> None:
    """Find containers whose monitor or creator was killed, and undo them. The caller holds `records.all_locked`.

    One that had not yet started goes without a trace; one that ran is kept as exited, or removed if it had --rm.
    """
    for name in os.listdir(os.path.join(root, "containers")):
        if name.startswith(_REMOVING):
            remove_tree(os.path.join(root, "containers", name))
    for container_id in records.ids(root):
        try:
            lock = records.take_lock(root, container_id)
        except FileNotFoundError:  # killed between mkdir and the lock file: nothing else was made yet
            _remove_directory(root, container_id)
            continue
        if lock is None:
            continue
        try:
            record = records.load(root, container_id)
            if record is None:
                _remove_directory(root, container_id)
            elif record.status != EXITED:
                finish(record, KILLED, error="its monitor was killed")
        finally:
            os.close(lock)


def sweep_all(root: str) -> None:
    """`sweep`, for commands that only look."""
    if os.path.isdir(os.path.join(root, "containers")):
        with records.all_locked(root):
            sweep(root)


def finish(record: Record, exit_code: int, *, oom_killed: bool = False, error: str = "") -> None:
    """Undo a container that has ended, and remove it or record how it ended."""
    started = record.status == RUNNING
    undo(record)
    if not started or record.data["options"]["remove"]:
        remove_files(record)
        return
    record.data["state"] |= {"status": EXITED, "pid": 0, "exitCode": exit_code, "oomKilled": oom_killed,
                             "error": error, "finishedAt": now()}  # fmt: skip
    record.save()


def remove(root: str, name: str, *, force: bool) -> None:
    """Remove one container; with `force` also a running one, which is killed. The name is a user's."""
    record = records.find(root, name)
    try:
        lock = records.take_lock(root, record.id)
        if lock is None:
            if not force:
                raise ConflictError(
                    f"You cannot remove a running container {record.id}. Stop the container before attempting "
                    "removal or force remove"
                )
            kill(record, signal.SIGKILL)
            lock = records.take_lock(root, record.id, wait=True)
    except FileNotFoundError:
        return  # it had --rm, and its monitor was quicker
    assert lock is not None
    try:
        remove_files(undo(record))
    finally:
        os.close(lock)


def kill(record: Record, number: int) -> None:
    """Send a signal to the container's PID 1, if the record's pid is still the process that was recorded."""
    pid, started = record.data["state"]["pid"], record.data["state"].get("pidStarted")
    if not pid:
        return
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_time(pid) == started:
            signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, FileNotFoundError):
        return
    finally:
        os.close(pidfd)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot: together with the pid it names one process (proc(5), stat)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def now() -> str:
    """This moment as RFC 3339, in UTC, with nanoseconds, as docker writes it."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}Z"


def _quietly(function: object) -> None:
    try:
        function()  # type: ignore[operator]
    except FileNotFoundError:
        return
