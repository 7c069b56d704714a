"""What goes wrong, said once and in one line.

Every message says what was tried, what the kernel or the server answered, and what the user can do. The exit codes
are docker's: 125 minidock itself failed, 126 the command cannot be executed, 127 it was not found, 128+n it was
killed by signal n, otherwise the program's own.
"""

from __future__ import annotations

import errno
import os

EXIT_ENGINE = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL = 128

# What a user can do where the kernel's words do not say it.
_HINTS = {
    errno.ENOSPC: "no blocks or no inodes are left: df, df -i",
    errno.ENFILE: "the machine's limit of open files: fs.file-max",
    errno.EMFILE: "this process's limit of open files: ulimit -n",
}


class MinidockError(Exception):
    """A failure that a user can be told about in one line. `exit_code` is what the process ends with."""

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(MinidockError):
    """What the user asked for cannot be meant: a malformed value, a name in use, options that exclude each other."""


class ClientError(MinidockError):
    """What docker's client says by itself, before or after anything is done: exit code 1 whatever the command."""


class NotFoundError(MinidockError):
    """No such container, image or file."""


class ConflictError(MinidockError):
    """The thing exists already, or is in use."""


class HostError(MinidockError):
    """This host or its kernel lacks what was asked for: a controller, a namespace, a file system, a right."""


class SetupError(MinidockError):
    """A step on the way into the container failed. The message names the step."""

    exit_code = EXIT_ENGINE


_SHOWN = 300  # characters of somebody else's words


def printable(text: object, limit: int = _SHOWN) -> str:
    """A stranger's words made harmless: one line, no control characters that a terminal would obey."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def message_of(error: BaseException) -> str:
    """What to tell a user of an error of any kind, in words: no numbers, no names of Python's.

    It is the only place that words what is no `MinidockError`; a message that has another error in it asks here too.
    """
    if isinstance(error, MinidockError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory: end something, or raise what limits it (ulimit -v, a cgroup's memory.max)"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "no more threads can be started: end some, or raise what limits them (ulimit -u, a cgroup's pids.max)"
    if isinstance(error, UnicodeError):
        return "what was read is not UTF-8"
    if isinstance(error, OSError):
        return _of_the_kernel(error)
    return f"{type(error).__name__}: {error}"


def is_expected(error: BaseException) -> bool:
    """Whether `message_of` says all there is to say: the machine or the user has caused the error, not a defect."""
    is_limit = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, (MinidockError, OSError, MemoryError)) or is_limit


def _of_the_kernel(error: OSError) -> str:
    """What the call was about, what the kernel said, and what helps where that is always the same."""
    said = error.strerror or str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    about = f"{' to '.join(names)}: " if names else ""
    hint = _HINTS.get(error.errno or 0, "")
    return f"{about}{said}{f' ({hint})' if hint else ''}"
