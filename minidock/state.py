"""State on disk: plain JSON files that a person can `cat`, written atomically and shared under a lock.

A file is written beside its place and renamed over it (rename(2) replaces atomically), so a reader sees the old text
or the new one and never half of either, whenever the writer is killed. Every file carries a schema version.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from minidock.errors import HostError
from minidock.observe import announced
from minidock.shapes import misfit

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any, BinaryIO

SCHEMA = 1
TEMPORARY = ".tmp"  # suffix of files that are to replace others
DEFAULT_ROOT = "/var/lib/minidock"
ROOT_MODE = 0o710  # docker's
# All that is ever in a state root, and what mkfs puts into a new file system.
_OURS = {"build", "cache", "containers", "events.log", "events.log.1", "images", "layers", "locks", "networks", "tmp",
         "volumes", "lost+found"}  # fmt: skip


def directory(root: str, *names: str, mode: int = 0o700) -> str:
    """The path of the directory `names` below the state's root, or the run directory; created with `mode` if missing.

    Users other than root have no access, from the root down: below are set-uid programs that containers have put into
    volumes, and the files and environments of images. Directories with more access (by an earlier version, or changed
    by somebody) are closed; but not a root that holds other files as well (`--root /srv`).
    """
    if _is_open(root, ROOT_MODE):
        found = set(os.listdir(root))
        for name in found & _OURS:
            _close(os.path.join(root, name))
        if found <= _OURS:
            _close(root)
    path = root
    for name in names:
        path = os.path.join(path, name)
        if _is_open(path, mode):
            _close(path)
    return path


def files(root: str) -> list[str]:
    """What is ours at the root: files, and directories with all that is in them."""
    return sorted(os.path.join(root, name) for name in _OURS & set(os.listdir(root)) - {"lost+found"})


def _is_open(path: str, mode: int) -> bool:
    """Whether the directory has more permissions than `mode`. It is created if it is missing."""
    try:
        return bool(stat.S_IMODE(os.stat(path).st_mode) & ~mode)
    except FileNotFoundError:
        os.makedirs(path, mode, exist_ok=True)
        return False


def _close(path: str) -> None:
    with suppress(OSError):  # a file system that is, or has become, read-only can still be read
        os.chmod(path, os.stat(path).st_mode & ROOT_MODE)


def write_json(
    path: str, content: Mapping[str, object], *, durable: bool = True, mode: int = 0o600, compact: bool = False
) -> None:
    """Replace the file at `path` by `content` as JSON, with the schema version added.

    `durable` waits until the disk has it (fsync(2)): for what a user could lose in a power cut, not for what a reboot
    makes worthless anyway. `compact`: in one line, which takes a tenth of the time: for thousands of rows.
    """
    text = json.dumps({"schemaVersion": SCHEMA, **content}, indent=None if compact else 2)
    write_text(path, text + "\n", durable=durable, mode=mode)


def write_text(path: str, text: str, *, durable: bool = True, mode: int = 0o644) -> None:
    """Replace the file at `path` by `text`, atomically."""
    write_bytes(path, text.encode(), durable=durable, mode=mode)


def write_bytes(path: str, content: bytes, *, durable: bool = True, mode: int = 0o644) -> None:
    """Replace the file at `path` by `content`, atomically."""
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(content)


@contextmanager
def replacing(path: str, *, durable: bool, mode: int) -> Iterator[BinaryIO]:
    """A file that replaces the one at `path` when the `with` block ends; if the block fails, nothing has changed."""
    temporary = f"{path}.{os.getpid()}{TEMPORARY}"
    fd = _open_temporary(temporary, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(fd)
            # Before the file is closed, and its lock with it, so that no `sweep` takes it away.
            announced("rename", (temporary, path), lambda: os.rename(temporary, path))
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, IsADirectoryError):
            raise DamagedError(path, "it is a directory", "move it away") from error
        if isinstance(error, OSError) and error.filename is None:  # write(2) and fsync(2) are told no path
            error.filename = path
        raise
    if durable:
        _sync_directory(os.path.dirname(path))


def _open_temporary(path: str, mode: int) -> int:
    """A new file to write to, locked for as long as its writer is alive."""
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # `sweep` may hold it for a moment
            if os.fstat(fd).st_nlink:
                os.ftruncate(fd, 0)
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # removed by `sweep` between the two calls


def sweep(directory: str, of: str | None = None) -> None:
    """Remove temporary files of killed writers from `directory`; only those of the file `of`, if given.

    A writer that is at work is not disturbed: a file is removed while its lock is held, and only if the name still
    refers to it, as its writer may have renamed it and begun another in between.
    """
    for name in os.listdir(directory):
        if not _is_left(name, of):
            continue
        path = os.path.join(directory, name)
        with suppress(OSError):  # it is gone, or its writer is at work
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.lstat(path)):
                    announced("unlink", (path,), partial(os.unlink, path))
            finally:
                os.close(fd)


def _is_left(name: str, of: str | None) -> bool:
    """Whether a file is named as `replacing` names temporary files, of the file `of` or of any."""
    target, _, process = name.removesuffix(TEMPORARY).rpartition(".")
    return name.endswith(TEMPORARY) and process.isdigit() and of in (None, target)


class DamagedError(HostError):
    """The file at `path` does not have the content that was written: `why`. `cure`: what the user can do about it.

    What the file describes is neither forgotten nor deleted.
    """

    def __init__(self, path: str, why: str, cure: str) -> None:
        super().__init__(f"{path} is damaged ({why}): {cure}")
        self.path = path
        self.why = why
        self.cure = cure


RESTORE = "restore it from a backup"


def read_json(path: str, shape: Any = dict, cure: str = RESTORE, *, version: int = SCHEMA) -> dict[str, Any]:
    """The JSON object at `path`, which has the `shape` (`misfit`).

    Raises `FileNotFoundError`, or `DamagedError` for anything else than such an object, whose schema
    has the `version`.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read().decode())
    except (IsADirectoryError, ValueError, RecursionError) as error:
        raise DamagedError(path, _why(path, error), cure) from error
    if not isinstance(content, dict):
        raise DamagedError(path, "no JSON object", cure)
    if content.get("schemaVersion", version) != version:
        raise DamagedError(path, "of another version of minidock", f"use that version, or {cure}")
    if why := misfit(content, shape):
        raise DamagedError(path, why, cure)
    return content


def legible_name(path: str) -> str:
    """The name in a JSON file that is cut or garbled, if it can still be found there; else ''."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.strip().rstrip(",").partition(": ")
            if key == '"name"' and len(value) > 2 and value[1:-1].isprintable() and value[0] == value[-1] == '"':
                return value[1:-1]
    return ""


def _why(path: str, error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "it is a directory"
    return "it is empty" if os.path.getsize(path) == 0 else "no JSON"


@contextmanager
def locked(path: str, *, shared: bool = False) -> Iterator[None]:
    """Hold flock(2) on the file at `path` (created if missing) inside the `with` block.

    The kernel releases the lock when its holder ends, however that happens. The file itself stays: removing it would
    let two processes lock two files of the same name. A file system that is read-only can still be read.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except IsADirectoryError as error:
        raise DamagedError(path, "it is a directory, where a file to lock should be", "remove it") from error
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def now() -> str:
    """The present time as RFC 3339, in UTC, with nanoseconds, as docker writes it."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}Z"


def seconds_since(moment: str) -> int:
    """Whole seconds from a time that `now` gave; 0 if it is to come."""
    from minidock.durations import unix_time

    return max(0, int(time.time()) - unix_time(moment))


def boot_id() -> str:
    """A random id that the kernel chooses at boot (random(4), /proc/sys/kernel/random)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _sync_directory(path: str) -> None:
    """Make a rename inside `path` survive a power cut too (fsync(2): the directory entry is the directory's data)."""
    with suppress(OSError):  # the file has been replaced already: an error would say otherwise
        fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
