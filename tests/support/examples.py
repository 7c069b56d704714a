"""The images of examples/ for the pages about them: what has to be downloaded is built before a page is typed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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
        used = [example for example in SOURCE.iterdir() if f"cd examples/{example.name}" in text]
        found = sorted(dockerfile for example in used for dockerfile in example.rglob("Dockerfile"))
        wanted = [path for path in found if "apt-get" in path.read_text() and path not in self.built]
        if wanted:
            with self.online():
                for dockerfile in wanted:
                    self.run("build", "-q", str(dockerfile.parent))
                    self.built.add(dockerfile)

    def run(self, *words: str) -> None:
        """Run minidock. Fails the test with what was said."""
        done = subprocess.run([*self.engine.program, *words], env=self.engine.environment, capture_output=True,
                              check=False, timeout=_SECONDS)  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    @contextmanager
    def online(self) -> Iterator[None]:
        """Inside of the block the tests' network namespace, and so its containers, has a way out (slirp4netns(1)).

        Its process is in the machine's network and has a tap device here, which goes with it.
        """
        words = ["slirp4netns", "--configure", "--disable-host-loopback", "--ready-fd=1", str(os.getpid()), "tap0"]
        with subprocess.Popen([*self.outside, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            assert process.stdout.read(1) == b"1", "slirp4netns has not begun"
            try:
                yield
            finally:
                process.terminate()
