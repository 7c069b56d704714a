"""What is wrong with a Dockerfile, and where."""

from __future__ import annotations

from minidock.errors import MinidockError, UsageError


class DockerfileError(UsageError):
    """A Dockerfile that cannot be understood. `line`: from 1; 0 where no line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"dockerfile parse error on line {line}: {message}" if line else message)
        self.reason = message
        self.line = line


class StepError(MinidockError):
    """An instruction that could not be carried out. `line` and `last`: its lines in the Dockerfile, 0 if in none."""

    def __init__(self, message: str, line: int, last: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.last = max(line, last)


def lines_of(error: BaseException) -> tuple[int, int]:
    """The lines of the Dockerfile that an error is about, (0, 0) if there is none."""
    line = getattr(error, "line", 0)
    return line, max(line, getattr(error, "last", 0))
