"""Errors with a message of one line for the user.

Every message says what was tried, what the kernel or the server answered, and what the user can do. The exit codes are
docker's: 125 minidock itself failed, 126 the command cannot be executed, 127 it was not found, 128+n it was killed by
signal n, otherwise the program's own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

EXIT_ENGINE = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL = 128

# What a user can do, for errors whose text does not say it.
_HINTS = {
    errno.ENOSPC: "no blocks or no inodes are left: df, df -i",
    errno.ENFILE: "the machine's limit of open files: fs.file-max",
    errno.EMFILE: "this process's limit of open files: ulimit -n",
}


class MinidockError(Exception):
    """A failure with a message of one line for the user. `exit_code` is that of the process."""

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(MinidockError):
    """The request makes no sense: a malformed value, a name in use, options that exclude each other."""


class ClientError(MinidockError):
    """An error that docker reports in its client, before or after the daemon acts: exit code 1 for every command."""


class NotFoundError(MinidockError):
    """No such container, image or file."""


class ConflictError(MinidockError):
    """The thing exists already, or is in use."""


class HostError(MinidockError):
    """This host or its kernel lacks what was asked for: a controller, a namespace, a file system, a right."""


class SetupError(MinidockError):
    """A step of setting up a container's process failed. The message names the step."""

    exit_code = EXIT_ENGINE

    @classmethod
    def reported(cls, report: Mapping[str, Any]) -> SetupError:
        """What a container's first process has told of its failure (`runtime/init.py`)."""
        place = f"{report['step']}: " if report["step"] and not report["plain"] else ""
        return cls(f"{place}{report['message']}", exit_code=report["exit_code"])


_SHOWN = 300  # characters of a text from elsewhere


def printable(text: object, limit: int = _SHOWN) -> str:
    """A text from elsewhere, safe to print: one line, without control characters that a terminal would interpret."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def lacks_memory(error: BaseException) -> bool:
    """Whether there was no room in memory, as far as Python tells.

    SystemError is what it makes of a MemoryError that it has lost ("error return without exception set"). A module of
    compiled code that could not be mapped is an ImportError (dlopen(3) gives no error number).
    """
    if isinstance(error, ImportError):
        return any(words in str(error) for words in ("failed to map segment", "Cannot allocate memory"))
    return isinstance(error, (MemoryError, SystemError))


def message_of(error: BaseException) -> str:
    """The text for a user of an error of any kind, without error numbers or Python's names.

    It is the only place that words errors other than `MinidockError`; messages that quote another error use it too.
    """
    if isinstance(error, MinidockError):
        return str(error)
    if lacks_memory(error):
        return "out of memory: end something, or raise what limits it (ulimit -v, a cgroup's memory.max)"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "no more threads can be started: end some, or raise what limits them (ulimit -u, a cgroup's pids.max)"
    if isinstance(error, UnicodeError):
        return "what was read is not UTF-8"
    if isinstance(error, OSError):
        return _of_the_kernel(error)
    return f"{type(error).__name__}: {error}"


def is_expected(error: BaseException) -> bool:
    """Whether the machine or the user has caused the error, so that `message_of` says all; else it is a defect."""
    is_limit = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, (MinidockError, OSError)) or is_limit or lacks_memory(error)


def _of_the_kernel(error: OSError) -> str:
    """What the call was about, what the kernel answered, and what helps in cases where that is always the same."""
    said = error.strerror or str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    about = f"{' to '.join(names)}: " if names else ""
    hint = _HINTS.get(error.errno or 0, "")
    return f"{about}{said}{f' ({hint})' if hint else ''}"
