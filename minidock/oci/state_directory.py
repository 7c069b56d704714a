"""The containers of a state directory (--root): a directory each, whose name is the container's id.

    ID/state.json    what was created: the bundle, the cgroup, the first process with its start time
    ID/config.json   the bundle's own config.json, as it was then
    ID/lock          held while a process changes the container (fcntl(2))
    ID/exec.fifo, ID/waiting   where the first process waits for its start (`runtime/gate.py`)

The state is read from the kernel: whether the process is alive (its pid and start time), still waits (a lock), is
paused (its cgroup). Files only have the names, and are written before the things are made, so that after a kill at any
point everything can be found and deleted.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minidock import state
from minidock.errors import ConflictError, HostError, NotFoundError, UsageError
from minidock.linux import cgroups, syscalls
from minidock.runtime import gate

TYPE_CHECKING = False  # typing is imported by type checkers only: 4 ms, of some 25 that a command takes
if TYPE_CHECKING:
    from typing import Any

    from minidock.runtime.oci_spec import Spec

DEFAULT_ROOT = "/run/minidock-oci"
FILTERS = "/run/minidock-oci-filters"  # compiled filters of system calls: libseccomp takes longer than all the rest
_ID = re.compile(r"[\w+.-]+", re.ASCII)
_SHAPE = {"id": str, "bundle": str, "rootfs": str, "ociVersion": str, "created": str, "status": str}


def check_id(container_id: str) -> str:
    """An id that is the name of a directory, and of nothing above it. Raises `UsageError` for any other."""
    if not _ID.fullmatch(container_id) or container_id in (".", ".."):
        raise UsageError(f"invalid container ID format: {container_id!r} (letters, digits, and _ + - . are allowed)")
    return container_id


class Container:
    """One container of the state directory `root`; `data` is its record."""

    def __init__(self, root: str, container_id: str) -> None:
        self.id = check_id(container_id)
        self.directory = os.path.join(os.path.abspath(root), self.id)
        self.data: dict[str, Any] = {}
        self._is_mine = False

    def path(self, name: str) -> str:
        """A file of the container's."""
        return os.path.join(self.directory, name)

    def load(self) -> Container:
        """Read the record. Raises `NotFoundError` if there is no such container."""
        try:
            self.data = state.read_json(self.path("state.json"), _SHAPE, f"delete it: minidock-oci delete -f {self.id}")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"container does not exist: {self.id}") from None
        return self

    def save(self) -> None:
        """Write the record, atomically; not to survive a power cut, which no container does."""
        state.write_json(self.path("state.json"), self.data, durable=False)

    @property
    def spec(self) -> Spec:
        """The specification that the container was created from."""
        from minidock.runtime import oci_spec as oci  # most commands need none of it

        return oci.check(self.data["bundle"], state.read_json(self.path("config.json"), version=1))

    @property
    def cgroup(self) -> cgroups.Cgroup | None:
        """The container's cgroup, whether it is (still) there or not; None if it has none of its own."""
        path = self.data.get("cgroup")
        return cgroups.Cgroup(path) if path else None

    @property
    def pid(self) -> int:
        """The container's first process; 0 if there is none (any more)."""
        pid: int = self.data.get("pid", 0)
        return pid if pid and start_time(pid) == self.data.get("startTime") else 0

    @property
    def status(self) -> str:
        """creating, created, running, paused or stopped (runtime.md, "State")."""
        if not self.pid:
            creating = self.data["status"] == "creating" and self._is_locked()
            return "creating" if creating else "stopped"
        if self.data["status"] == "creating":
            return "creating" if self._is_locked() else "stopped"
        if gate.is_closed(self.directory):
            return "created"
        return "paused" if self.is_frozen() else "running"

    def is_frozen(self) -> bool:
        """Whether the container's cgroup has been stopped."""
        cgroup = self.cgroup
        with suppress(FileNotFoundError):
            return cgroup is not None and "frozen 1" in cgroup.read("cgroup.events").splitlines()
        return False

    def open_process(self) -> int:
        """A pidfd of the first process. Raises `ConflictError` if it has ended."""
        pid = self.pid
        try:
            if not pid:
                raise ProcessLookupError
            pidfd = syscalls.pidfd_open(pid)
        except ProcessLookupError:
            raise ConflictError(f"container not running: {self.id}") from None
        if not self.pid:  # the number may have become another's between the two
            os.close(pidfd)
            raise ConflictError(f"container not running: {self.id}")
        return pidfd

    def _is_locked(self) -> bool:
        """Whether another process changes the container at this moment."""
        if self._is_mine:  # to open and close the file again would let go of it
            return False
        try:
            fd = os.open(self.path("lock"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        finally:
            os.close(fd)
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the container's lock inside the `with` block. Raises `NotFoundError` if it is gone.

        Not by flock(2), whose locks belong to the children too: the container's process would keep it.
        """
        try:
            fd = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"container does not exist: {self.id}") from None
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            if not os.fstat(fd).st_nlink:
                raise NotFoundError(f"container does not exist: {self.id}")
            self._is_mine = True
            yield
        finally:
            self._is_mine = False
            os.close(fd)

    def make_directory(self) -> None:
        """Claim the id. Raises `ConflictError` if it is in use.

        A directory without a record is what a killed `create` or `delete` has left, and is as good as none.
        """
        root = os.path.dirname(self.directory)
        os.makedirs(root, 0o700, exist_ok=True)
        try:
            syscalls.mkdir(self.directory, 0o711)  # a user namespace's root opens the fifo inside
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(self.directory).st_mode):
                raise HostError(f"{self.directory} is no directory: move it away") from None
            if os.path.exists(self.path("state.json")) or self._is_locked():
                raise ConflictError(f"container with id exists: {self.id}") from None

    def remove_directory(self) -> None:
        """Remove the container's directory: the record after all that it names, and the lock, which is held, last."""
        names = sorted(os.listdir(self.directory), key=lambda name: (name == "lock", name == "state.json"))
        for name in names:
            syscalls.unlink(self.path(name))
        syscalls.rmdir(self.directory)


def all_in(root: str) -> list[Container]:
    """The containers of a state directory. Raises `NotFoundError` if that is not there."""
    found = []
    for name in sorted(os.listdir(root)):
        if _ID.fullmatch(name) and os.path.isdir(os.path.join(root, name)):
            found.append(Container(root, name))
    return found


def start_time(pid: int) -> int:
    """When process `pid` was started, in ticks since the machine was; 0 if it has ended (proc(5), /proc/PID/stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def remove_tree(path: str) -> None:
    """Remove what is left of a directory that has no record."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
