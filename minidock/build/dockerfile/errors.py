"""What is wrong with a Dockerfile, and where."""

from __future__ import annotations

from minidock.errors import UsageError


class DockerfileError(UsageError):
    """A Dockerfile that cannot be understood. `line`: from 1; 0 where no line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"dockerfile parse error on line {line}: {message}" if line else message)
        self.reason = message
        self.line = line
