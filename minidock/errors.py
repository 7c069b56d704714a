"""What goes wrong, said once and in one line.

Every message says what was tried, what the kernel or the server answered, and what the user can do. The exit codes
are docker's: 125 minidock itself failed, 126 the command cannot be executed, 127 it was not found, 128+n it was
killed by signal n, otherwise the program's own.
"""

from __future__ import annotations

EXIT_ENGINE = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL = 128


class MinidockError(Exception):
    """A failure that a user can be told about in one line. `exit_code` is what the process ends with."""

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(MinidockError):
    """What the user asked for cannot be meant: a malformed value, a name in use, options that exclude each other."""


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


def words(error: BaseException) -> str:
    """What to tell a user of an error of any kind. Only a `MinidockError` says what can be done about it."""
    if isinstance(error, MinidockError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
