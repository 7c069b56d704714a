"""Containers as a user knows them: made, run, listed, removed.

`create` makes everything that is a file: the record, the bundle, the container's own directory. What is not a file (a
cgroup, a network cable, processes) is made by the monitor (`monitor.py`). `recovery.py` undoes both.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from minidock import state
from minidock.engine import bundle, etc, names, records, recovery
from minidock.engine.options import ContainerOptions
from minidock.engine.paths import Paths
from minidock.engine.records import CREATED, EXITED, Record
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError
from minidock.linux import syscalls
from minidock.observe import step
from minidock.runtime import spec as oci

if TYPE_CHECKING:
    from minidock.image.store import Image
    from minidock.network.bridge import Endpoint


def create(paths: Paths, options: ContainerOptions, image: Image) -> tuple[Record, int]:
    """Make a container that is ready to be started.

    Returns its record and its lock, held: the container lives as long as somebody keeps that descriptor open. Raises
    with everything undone.
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
            record.data["network"] = asdict(endpoint)
        with step("what the container is, written down as an OCI bundle", book="3.4"):
            _write_bundle(record, options, image, endpoint)
        if options.cidfile:
            _write_cidfile(options.cidfile, record.id)
    except BaseException:
        _give_up(record, lock)
        raise
    return record, lock


def _give_up(record: Record, lock: int) -> None:
    """Unmake a half-made container. What cannot be undone now, the next sweep finds: its lock is free."""
    with suppress(OSError, MinidockError):
        recovery.discard(record)
    os.close(lock)


def check_host() -> None:
    """Refuse a kernel that cannot run any container, before anything is made."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if "overlay" not in file.read().split() and os.system("modprobe -q overlay") != 0:
            raise HostError("this kernel has no overlay file system: load or build the module 'overlay'", exit_code=125)


def _claim(root: str, options: ContainerOptions, image: Image) -> tuple[Record, int]:
    """Under the lock of all containers: a free name, an id, a directory, a record in it."""
    with records.all_locked(root):
        recovery.sweep(root)
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
            "created": recovery.now(),
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
        try:
            record.save()
        except BaseException:
            _give_up(record, lock)
            raise
    return record, lock


def _write_bundle(record: Record, options: ContainerOptions, image: Image, endpoint: Endpoint | None) -> None:
    hostname = options.hostname or (etc.host_name() if options.network == "host" else record.id[:12])
    for name in ("upper", "work", "bundle", "bundle/rootfs"):
        syscalls.mkdir(record.path(name), 0o755 if name == "upper" else 0o711)
    etc.write(record.directory, hostname, options.network, endpoint.address if endpoint else None)
    config = bundle.specification(options, image, record.id, record.directory, hostname)
    state.write_text(record.path("bundle", "config.json"), oci.dump(config), durable=False, mode=0o600)
    record.data["hostname"] = hostname
    record.data["cgroup"] = config["linux"]["cgroupsPath"]
    record.save()


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
    try:
        os.write(fd, container_id.encode())
    except OSError as error:
        os.unlink(path)
        raise HostError(f"failed to write the container ID file {path}: {error.strerror}", exit_code=125) from error
    finally:
        os.close(fd)


def remove(root: str, name: str, *, force: bool) -> None:
    """Remove one container; with `force` also a running one, which is killed. The name is a user's."""
    record = records.find(root, name)
    try:
        if record.status == EXITED or force:
            # Being made, running, or looked at by another command for a moment: whoever holds the lock lets it go.
            lock: int | None = records.wait_for_lock(root, record.id, meanwhile=partial(_kill, record))
        else:
            lock = records.take_lock(root, record.id)
    except FileNotFoundError:
        return  # it had --rm, or somebody else removes it too
    if lock is None:
        raise ConflictError(
            f"You cannot remove a running container {record.id}. Stop the container before attempting removal or "
            "force remove"
        )
    try:
        recovery.discard(record)
    finally:
        os.close(lock)


def _kill(record: Record) -> None:
    """Kill the container, if it has come so far as to have a process: its creator may be writing that down just now."""
    recovery.kill(records.load(record.root, record.id) or record, signal.SIGKILL)
