"""Calls minidock as its users do: as a program, judged by its output and its exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class Process(subprocess.Popen[bytes]):
    """A Popen whose `with` block, if it fails, kills the process: the plain one waits for an end that never comes."""

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind:
            self.kill()
        super().__exit__(kind, *rest)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Minidock:
    """The installed program with state directories of its own.

    `root` is what --root and MINIDOCK_ROOT name, `run` what MINIDOCK_RUN names.
    """

    root: Path
    run: Path

    @property
    def program(self) -> list[str]:
        """The command beside the running Python, or the package where none is installed."""
        installed = Path(sys.executable).with_name("minidock")
        return [str(installed)] if installed.exists() else [sys.executable, "-m", "minidock"]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "MINIDOCK_ROOT": str(self.root), "MINIDOCK_RUN": str(self.run)}

    def __call__(
        self,
        *arguments: str,
        input: bytes = b"",
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end; nothing is raised for a failure, whose exit code is for the test to look at.

        `timeout` is in seconds and raises subprocess.TimeoutExpired; `env` adds to the environment.
        """
        return subprocess.run(
            [*self.program, *arguments],
            input=input,
            capture_output=True,
            timeout=timeout,
            env={**self.environment, **(env or {})},
            check=False,
        )

    def start(self, *arguments: str, **options: object) -> Process:
        """Start without waiting, for tests that signal, attach or kill; `options` are Popen's own."""
        return Process([*self.program, *arguments], env=self.environment, **options)  # type: ignore[call-overload]
