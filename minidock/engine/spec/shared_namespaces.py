"""Namespaces that a container shares with the host or with another container (book 3.1), and mounts that depend on
them.

Which process to join is looked up at every start: the other container may have been restarted since. The shared memory
of an IPC namespace is a mount, /dev/shm, so a container that is to share it has that on the host, where others can
bind it too:

    <root>/containers/<id>/shm      a tmpfs, while a container with --ipc shareable is prepared or runs
"""

from __future__ import annotations

import os

from minidock.engine.container import init_process, records
from minidock.engine.container.container_options import ContainerOptions, Isolation
from minidock.engine.container.records import Record
from minidock.errors import EXIT_ENGINE, ConflictError
from minidock.linux import cgroups, mountinfo, namespaces, syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import step

SHM_SIZE = 64 << 20
_SAFE = ["nosuid", "noexec", "nodev"]
Row = tuple[str, str, str, list[str]]  # destination, type, source, options


class Shared(NamedTuple):
    """`namespaces` as the specification lists them; `mounts`: /dev/mqueue and /dev/shm."""

    namespaces: list[dict[str, str]]
    mounts: list[Row]


def share(record: Record, options: ContainerOptions, netns: str | None, *, join: bool) -> Shared:
    """The namespaces that the container has of its own, and those that it joins. `netns`: its network
    (`connections.Surroundings`).

    `join`: it is about to start. Raises `ConflictError` for another container that cannot be joined then.
    """
    isolation = options.isolation
    kinds = {"mount": "", "pid": isolation.pid, "uts": isolation.uts, "ipc": isolation.ipc,
             "network": "host" if netns is None else netns}  # fmt: skip
    if cgroups.hierarchy():
        kinds["cgroup"] = isolation.cgroupns
    rows = []
    for kind, mode in kinds.items():
        if mode == "host":
            continue
        row = {"type": kind}
        if mode.startswith("/"):
            row["path"] = mode
        elif mode.startswith("container:") and join:
            row["path"] = _namespace_of(record.root, mode.removeprefix("container:"), kind)
        rows.append(row)
    return Shared(rows, _ipc_mounts(record, isolation, join=join))


def _namespace_of(root: str, name: str, kind: str) -> str:
    other = records.find(root, name)
    if not init_process.is_alive(other):
        prefix = f"can't join IPC of container {other.id}: " if kind == "ipc" else ""
        raise ConflictError(f"{prefix}container {other.id} is not running", exit_code=EXIT_ENGINE)
    if kind == "ipc" and not _is_shareable(other):
        raise ConflictError(
            f"can't join IPC of container {other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor "
            "container)",
            exit_code=EXIT_ENGINE,
        )
    return f"/proc/{other.data['state']['pid']}/ns/{namespaces.PROC_NAMES[kind]}"


def _is_shareable(record: Record) -> bool:
    return bool(record.data["options"]["isolation"]["ipc"] == "shareable")


def _ipc_mounts(record: Record, isolation: Isolation, *, join: bool) -> list[Row]:
    """A POSIX message queue's file system is of the IPC namespace in which it is mounted; shared memory's is not."""
    queue = ("/dev/mqueue", "mqueue", "mqueue", _SAFE)
    bound = ["rbind", "rprivate"]
    if isolation.ipc == "host":
        return [queue, ("/dev/shm", "bind", "/dev/shm", bound)]
    if isolation.ipc == "none":
        return [queue]
    if isolation.ipc == "shareable":
        return [queue, ("/dev/shm", "bind", record.path("shm"), bound)]
    if isolation.ipc.startswith("container:") and join:
        other = records.find(record.root, isolation.ipc.removeprefix("container:"))
        return [queue, ("/dev/shm", "bind", other.path("shm"), bound)]
    return [queue, ("/dev/shm", "tmpfs", "shm", [*_SAFE, "mode=1777", f"size={isolation.shm_size or SHM_SIZE}"])]


def prepare(record: Record, isolation: Isolation) -> None:
    """Mount the shared memory of a container that others may join; `release` is called at its end in any case."""
    if isolation.ipc == "shareable" and not mountinfo.mounted_at_or_below(record.path("shm")):
        os.makedirs(record.path("shm"), mode=0o700, exist_ok=True)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        with step("Mount shared memory outside", book="3.1"):
            size = isolation.shm_size or SHM_SIZE
            syscalls.mount("shm", record.path("shm"), "tmpfs", flags, f"mode=1777,size={size}")


def release(record: Record) -> None:
    """Unmount what `prepare` mounted, also where the container's directory is on its way out. Idempotent."""
    for directory in (record.directory, records.directory(record.root, records.REMOVING + record.id)):
        for place in mountinfo.mounted_at_or_below(os.path.join(directory, "shm")):
            with step("Unmount the shared memory", book="3.1"):
                syscalls.umount2(place, syscalls.MNT_DETACH)
