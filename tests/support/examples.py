"""The images of examples/ for the pages about them: what has to be downloaded is built before a page is typed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import Minidock

SOURCE = Path(__file__).parents[2] / "examples"
_SECONDS = 600  # for a minimal Debian, or a dozen packages, where much else is going on


@dataclass
class Examples:
    """A root of its own, whose cache of builds has all lines that download; `outside` as the fixture of that name."""

    engine: Minidock
    outside: list[str]
    built: set[Path] = field(default_factory=set)

    def lay(self, directory: Path, text: str) -> None:
        """A copy of examples/ into `directory`, for the page with this text, and images for what it names there."""
        shutil.copytree(SOURCE, directory / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        for example in sorted(SOURCE.iterdir()):
            if f"cd examples/{example.name}" in text:
                for dockerfile in sorted(example.rglob("Dockerfile")):
                    if "apt-get" in dockerfile.read_text() and dockerfile not in self.built:
                        self.run("build", "-q", "--network", "host", str(dockerfile.parent))
                        self.built.add(dockerfile)

    def run(self, *words: str) -> None:
        """minidock in the machine's own network. Fails the test with what was said."""
        done = subprocess.run([*self.outside, *self.engine.program, *words], env=self.engine.environment,
                              capture_output=True, check=False, timeout=_SECONDS)  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
