"""A container's files, seen from outside: for `cp`, `export` and others that read or write them.

What is seen is a copy of the container's mounts that hangs on a descriptor (`linux/mount_trees.py`): of one that runs,
those in its mount namespace, with all that is bound into it; of any other, the same made anew from its layers. As in
docker, its other mounts are left away: those of the kernel (/proc, /sys, /dev), and what is in memory only (--tmpfs,
/dev/shm). In their places are the directories that they are mounted on, which a program inside does not see. No device
can be opened and no program run through the copy, so that a file that a container puts in another's place at the wrong
moment is harmless.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from minidock.engine.container import container_lock, init_process, records
from minidock.engine.container.records import Record
from minidock.engine.spec.bundle import FOR_NAMES
from minidock.errors import ConflictError
from minidock.linux import idmapped, mount_trees, mounts, syscalls
from minidock.linux.timeouts import ActivityTimeout
from minidock.observe import step
from minidock.runtime import oci_spec, rootfs

_PATIENCE = 10.0  # seconds without activity of the container and its monitor


@contextmanager
def opened(record: Record, *, bare: bool = False) -> Iterator[int]:
    """A descriptor of the container's root, to be used with openat2(2) and RESOLVE_IN_ROOT (`linux/openat2.py`).

    `bare`: without anything mounted on it. While one that does not run is looked at, its lock is held, so that nobody
    starts or removes it meanwhile. Raises `NotFoundError` if the container has been removed.
    """
    root, lock = _open(record, bare=bare)
    try:
        with step("Set nodev and noexec on the copy", book="3.5.1"):
            syscalls.mount_setattr(root, syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC)
        yield root
    finally:
        os.close(root)
        if lock is not None:
            os.close(lock)


def _open(record: Record, *, bare: bool) -> tuple[int, int | None]:
    """The root; and the lock of a container that does not run. One that starts or ends at this moment is waited for."""
    patience = ActivityTimeout(_PATIENCE, partial(init_process.processes_of, record))
    while not patience.is_over:
        pidfd = init_process.open_process(record)
        if pidfd is not None:
            try:
                return _of_running(record, pidfd, bare=bare), None
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has just ended
            finally:
                os.close(pidfd)
        else:
            lock = container_lock.take_lock(record.root, record.id)
            if lock is not None:
                try:
                    return _of_stopped(record, bare=bare), lock
                except BaseException:
                    os.close(lock)
                    raise
        time.sleep(0.005)
        record = records.find(record.root, record.id)
    raise ConflictError(f"Container {record.id} is restarting, wait until the container is running")


def _binds(record: Record) -> list[dict[str, Any]]:
    """The binds that are a user's, and the files for names."""
    asked = {point["destination"] for point in record.data["mounts"]} | {f"/etc/{name}" for name in FOR_NAMES}
    return [mount for mount in oci_spec.load(record.path("bundle")).mounts
            if mount.get("type", "bind") == "bind" and mount["destination"] in asked]  # fmt: skip


def _of_running(record: Record, pidfd: int, *, bare: bool) -> int:
    pid = record.data["state"]["pid"]
    with step("Copy the container's mount tree", book="3.5.1"):
        if bare:
            return mount_trees.root_of_process(pid, pidfd)
        bound = [mount["destination"] for mount in _binds(record)]
        places = [mount["destination"] for mount in oci_spec.load(record.path("bundle")).mounts]
        return mount_trees.of_process(pid, pidfd, [path for path in places if path not in ("/", *bound)])


def _of_stopped(record: Record, *, bare: bool) -> int:
    spec, spaces = oci_spec.load(record.path("bundle")), idmapped.UserNamespaces()

    def make() -> str:
        rootfs.mount_root(spec)
        with rootfs.opened(spec) as root:
            for mount in _binds(record) if not bare else ():
                is_mapped = "idmap" in (mount.get("options") or [])
                mounts.mount_in(root, mount["destination"], mount["source"], "bind", mount.get("options") or [],
                                tree=rootfs.clone_mapped(spec, mount, spaces) if is_mapped else None,
                                check=lambda place: None)  # fmt: skip
        if spec.config["root"].get("readonly") and not bare:
            mounts.remount_bind(spec.rootfs, syscalls.MS_RDONLY)
        return spec.rootfs

    with step("Mount the layers outside of any namespace", book="3.5.5"):
        try:
            return mount_trees.of_mounts(make)
        finally:
            spaces.close()
