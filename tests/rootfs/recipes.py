"""How these tests run a recipe: through its command line, as the engine does."""

import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOTFS = Path(__file__).resolve().parents[2] / "rootfs"
NOWHERE = "https://127.0.0.1:1/alpine"  # a mirror that answers to nobody, so that the second source is used


def command(name: str, output: Path, *options: str | Path) -> list[str]:
    """The command line of the recipe `name`."""
    return [sys.executable, str(ROOTFS / name / "build.py"), "--output", str(output), *map(str, options)]


def run(
    name: str,
    output: Path,
    *options: str | Path,
    env: Mapping[str, str] | None = None,
    umask: int = 0o022,
    outside: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run the recipe to its end, with `env` on top of the environment; `outside` is the fixture of that name."""
    return subprocess.run(
        [*outside, *command(name, output, *options)],
        env={**os.environ, **(env or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )


def built(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that a build succeeded."""
    assert done.returncode == 0, done.stderr


def refused(done: subprocess.CompletedProcess[str], output: Path) -> str:
    """Assert that a build failed as it should: exit 1, no traceback, nothing left. Returns its last line."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert list(output.parent.iterdir()) == []
    return done.stderr.splitlines()[-1]


def members(image: Path) -> dict[str, tarfile.TarInfo]:
    """The image's members by name."""
    with tarfile.open(image) as tar:
        return {member.name: member for member in tar}


def digest(path: Path) -> str:
    """The file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
