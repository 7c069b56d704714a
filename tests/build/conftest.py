"""What tests of `minidock build` work with: a context of their own, and the program that builds it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Minidock

Done = subprocess.CompletedProcess[bytes]


class Context:
    """A directory to build, `path`, and what can be asked of the image `name` that it becomes."""

    def __init__(self, minidock: Minidock, path: Path, name: str) -> None:
        self.minidock = minidock
        self.path = path
        self.name = name

    def write(self, name: str, content: str | bytes = "") -> Path:
        """Write a file of the context."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def build(self, dockerfile: str, *words: str, **options: Any) -> Done:
        """Build `dockerfile` with the context's files, whatever comes of it."""
        self.write("Dockerfile", dockerfile)
        return self.minidock("build", "-t", self.name, *words, str(self.path), **options)

    def built(self, dockerfile: str, *words: str, **options: Any) -> str:
        """Build, which succeeds; what was told on the way."""
        done = self.build(dockerfile, *words, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stderr.decode()

    def refused(self, dockerfile: str, *words: str, **options: Any) -> str:
        """Build, which fails; the last line of what was told, without the program's name."""
        done = self.build(dockerfile, *words, **options)
        assert done.returncode == 1, done.stderr.decode()
        last = done.stderr.decode().splitlines()[-1]
        assert last.startswith("minidock: ")
        return last.removeprefix("minidock: ")

    def config(self) -> dict[str, Any]:
        """The image's configuration, as `inspect` has it."""
        done = self.minidock("image", "inspect", self.name)
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def history(self) -> list[str]:
        """The rows of the history, oldest first."""
        done = self.minidock("history", "--no-trunc", "--format", "{{.CreatedBy}}", self.name)
        return done.stdout.decode().splitlines()[::-1]

    def run(self, script: str) -> str:
        """What a shell script prints in a container of the image."""
        done = self.minidock("run", "--rm", "--network", "none", self.name, "sh", "-c", script)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture
def context(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Context]:
    """A context, and no image of it afterwards."""
    name = f"built-{abs(hash(request.node.nodeid)):x}"
    (tmp_path / "context").mkdir()
    yield Context(engine, tmp_path / "context", name)
    engine("rmi", "-f", name)


def reasons(told: str) -> list[str]:
    """How each line's step ended: "CACHED (...)" or "DONE (...)", without numbers and seconds."""
    found = []
    for line in told.splitlines():
        _, _, text = line.partition(" ")
        if text.startswith(("CACHED", "DONE")) and " (" in text:  # what is exported has no reason
            word, _, why = text.partition(" (")
            found.append(f"{word.split()[0]} ({why}")
    return found
