"""Containers on disk: one directory each, and which of them run.

    <root>/containers/.lock           held while containers are created or listed
    <root>/containers/<id>/lock       held by the container's monitor (before it exists, by its creator)
    <root>/containers/<id>/container.json, bundle/, upper/, work/, ...

Whether a container runs is decided by the kernel and not by a file: a flock ends with its holder, however that ended. A
record that says "running" while its lock is free is of a monitor that was killed, or from before the last reboot;
`recovery.sweep` finds those.

The record of a running container has several writers: its monitor, and commands that rename, pause or update it. Each
changes only its own fields, inside `changing`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

from minidock import state
from minidock.engine.container import known_names, record_file
from minidock.engine.container.record_file import (
    CREATED,
    EXITED,
    PAUSED,
    REMOVING,
    RESTARTING,
    RUNNING,
    DamagedRecordError,
    directory,
)
from minidock.errors import MinidockError, NotFoundError, UsageError

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields, StateFields

__all__ = ["CREATED", "EXITED", "PAUSED", "REMOVING", "RESTARTING", "RUNNING", "DamagedRecordError", "directory"]
_ID = re.compile("[0-9a-f]{64}")
DEAD = "dead"  # docker's word for a container that can only be removed: here, one whose record is damaged


class GoneError(NotFoundError, FileNotFoundError):
    """The container was removed just now: for a caller a file that is missing, for a user what docker says."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No such container: {name}")


class Record:
    """One container: `data` is the content of its container.json (`record_fields.py`).

    `is_ours`: this process is its monitor, whose copy counts more than a damaged file.
    """

    def __init__(self, root: str, container_id: str, data: RecordFields) -> None:
        self.root = root
        self.id = container_id
        self.data = data
        self.is_ours = False
        self.is_aside = False  # a change could not be written yet (`record_file.keep_aside`)

    @property
    def directory(self) -> str:
        """The container's own directory."""
        return directory(self.root, self.id)

    @property
    def name(self) -> str:
        """The container's name, without docker's slash."""
        return str(self.data["name"])

    @property
    def status(self) -> str:
        """created, running, paused, restarting or exited, as recorded: see `monitor/monitor.py`."""
        return str(self.data["state"]["status"])

    @property
    def is_up(self) -> bool:
        """Whether it has a process, paused or not."""
        return self.status in (RUNNING, PAUSED)

    @property
    def is_kept(self) -> bool:
        """Whether it stays when its program cannot be started or has ended: not while `run` makes it, nor with --rm."""
        return bool(self.data["state"].get("kept")) and not self.data["options"]["remove"]

    @property
    def is_over(self) -> bool:
        """Whether no monitor or sweep is needed: it does not run, and nothing is left of it outside its directory."""
        return self.status in (CREATED, EXITED) and bool(self.data["state"].get("undone", self.status == EXITED))

    def save(self) -> None:
        """Write container.json: so that it survives a power cut, if the container itself is to survive one.

        On a full disk the blocks and the inode are used that were reserved for this, so that the end of each run can be
        recorded.
        """
        path = os.path.join(self.directory, "container.json")
        try:
            state.write_json(path, self.data, durable=self.is_kept)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.truncate(os.path.join(self.directory, "lock"), 0)
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, "spare"))
            state.write_json(path, self.data, durable=self.is_kept)
        if self.is_aside:
            record_file.forget_aside(self.id)
            self.is_aside = False

    def reload(self) -> None:
        """Read what other processes have changed. Raises `GoneError` if the container is gone."""
        try:
            fresh = load(self.root, self.id)
        except DamagedRecordError:
            if not self.is_ours:
                raise
            return
        if fresh is None:
            raise GoneError(self.name)
        self.data, self.is_aside = fresh.data, fresh.is_aside

    def path(self, *names: str) -> str:
        """A path inside the container's directory."""
        return os.path.join(self.directory, *names)


def new_state(status: str) -> StateFields:
    """The state of a container to which nothing has happened yet, or of whose history nothing is known."""
    return {"status": status, "pid": 0, "exitCode": 0, "oomKilled": False, "error": "", "startedAt": "",
            "finishedAt": "", "boot": state.boot_id(), "kept": False, "undone": False, "stopped": False,
            "again": False, "shutdown": False}  # fmt: skip


def all_locked(root: str) -> AbstractContextManager[None]:
    """Hold the lock under which containers are created, named and swept."""
    return state.locked(os.path.join(state.directory(root, "containers", mode=0o710), ".lock"))


def ids(root: str) -> Iterator[str]:
    """The ids of all container directories, complete or not."""
    try:
        names = os.listdir(os.path.join(root, "containers"))
    except FileNotFoundError:
        return
    yield from (name for name in names if _ID.fullmatch(name))  # and no lost+found


def removed(root: str) -> list[str]:
    """The directories of containers whose removal was begun and perhaps not ended."""
    return [name for name in os.listdir(os.path.join(root, "containers")) if name.startswith(REMOVING)]


def is_there(root: str, container_id: str) -> bool:
    """Whether a container of that id exists, complete or not, or is being removed."""
    return any(os.path.isdir(directory(root, name)) for name in (container_id, REMOVING + container_id))


def load(root: str, container_id: str) -> Record | None:
    """The record of one container; None if its creator had not yet written it, or it is being removed.

    Raises `DamagedRecordError` for one that cannot be read.
    """
    data = record_file.read(root, container_id)
    if data is None:
        return None
    newer = record_file.aside(container_id, data)
    record = Record(root, container_id, newer or data)
    record.is_aside = newer is not None
    if container_id.startswith(REMOVING):
        return record
    # Without the lock it is unknown whether a monitor runs; a container that is over has none.
    lock = record.path("lock")
    if not os.path.isfile(lock) and (os.path.exists(lock) or not record.is_over):
        if not os.path.exists(record.path("container.json")):
            return None  # its removal has begun since it was read: the directory was renamed
        raise DamagedRecordError(root, container_id, lock, "no file to lock")
    return record


def name_of(root: str, container_id: str) -> str:
    """A container's present name; its id, if it is gone."""
    record = load(root, container_id)
    return record.name if record else container_id


@contextmanager
def changing(record: Record, *, aside: bool = False) -> Iterator[None]:
    """Change a container's record inside the `with` block: read anew before it, saved after it.

    `aside`: if it cannot be written, it is kept in the run directory, so that the container can be ended, and its end
    recorded. The lock is on the container's directory, so it goes with the container. Raises `GoneError` if that is
    gone.
    """
    with used(record):
        fd = os.open(record.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            record.reload()
            yield
            try:
                record.save()
            except OSError:
                if not aside or not os.path.isdir(record.directory):
                    raise
                record_file.keep_aside(record.id, record.data)
                record.is_aside = True
        finally:
            os.close(fd)


@contextmanager
def used(record: Record) -> Iterator[None]:
    """Use a container's files inside the `with` block. Raises `GoneError` if they are removed meanwhile."""
    try:
        yield
    except (OSError, MinidockError):
        if os.path.isdir(record.directory):
            raise
        raise GoneError(record.name) from None


def load_all(root: str) -> list[Record]:
    """All containers whose records can be read, the newest first."""
    return survey(root)[0]


def damaged(root: str) -> list[DamagedRecordError]:
    """The containers whose records cannot be read. While there are any, it is unknown what they use."""
    return survey(root)[1]


def survey(root: str) -> tuple[list[Record], list[DamagedRecordError]]:
    """All containers, the newest first; and those whose records cannot be read."""
    found, ruins = [], []
    for container_id in ids(root):
        try:
            if record := load(root, container_id):
                found.append(record)
        except DamagedRecordError as error:
            ruins.append(error)
    return sorted(found, key=lambda record: str(record.data["created"]), reverse=True), ruins


def taken(root: str) -> dict[str, str]:
    """The names of all containers, each with its container's id."""
    found, ruins = survey(root)
    return {**{ruin.name: ruin.id for ruin in ruins}, **{record.name: record.id for record in found}}


def find(root: str, name: str) -> Record:
    """The container that a user means: by name, by id or by a prefix that only one id has.

    Raises `NotFoundError`, `UsageError` for a prefix that several have, or `DamagedRecordError`.
    """
    known_id = known_names.id_of(root, name)
    record = load(root, known_id) if known_id else None
    if record and (record.name == name.removeprefix("/") or record.id.startswith(name)):
        return record
    when = known_names.last_change(root)
    records, ruins = survey(root)
    known: list[Record | DamagedRecordError] = [*records, *ruins]
    known_names.remember(root, {one.name or one.id: one.id for one in known}, when)
    found = next((one for one in known if name.removeprefix("/") == one.name or name == one.id), None)
    if found is None:
        matching = [one for one in known if name and one.id.startswith(name)]
        if len(matching) > 1:
            raise UsageError(f"Multiple IDs found with provided prefix: {name}")
        if not matching:
            nameless = next((f" (unless it is this one: {ruin})" for ruin in ruins if not ruin.name), "")
            raise NotFoundError(f"No such container: {name}{nameless}")
        found = matching[0]
    if isinstance(found, DamagedRecordError):
        raise found
    return found
