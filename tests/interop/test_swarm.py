"""The book's chapter 6, whose pages are typed one after the other: a swarm of three dockerds, which run on minidock."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import session
from tests.support import debian13
from tests.support.command import Minidock

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "examples/swarm/hosts"
PAGES = ("6-2-cluster-of-three", "6-3-deploying", "6-4.1-under-the-hood", "6-4.2-further")

pytestmark = pytest.mark.interop


@pytest.fixture
def shells(engine: Minidock, outside: list[str], tmp_path: Path) -> Iterator[session.Shells]:
    """Terminals with today's docker and the three machines' script on the PATH."""
    environment = session.environment(engine.environment, Path(engine.program[0]))
    programs = ":".join(map(str, [*debian13.docker(outside), HOSTS.parent]))
    environment |= {"PATH": f"{programs}:{environment['PATH']}", "SWARM": str(tmp_path / "swarm"),
                    "DOCKER_CONFIG": str(tmp_path / "config")}  # fmt: skip
    opened = session.Shells(tmp_path, environment, patience=240)
    try:
        yield opened
    finally:
        opened.close()
        subprocess.run([HOSTS, "down"], env=environment, check=True)
        left = engine("ps", "-a", "-q").stdout.decode().split()
        if left:
            engine("rm", "-f", *left)


@pytest.mark.timeout(1200)
def test_the_pages_show_what_happens(shells: session.Shells) -> None:
    for name in PAGES:
        shells.check(session.read(ROOT / f"docs/book/{name}.md"))
    assert not [path for path in os.listdir("/sys/class/net") if path.startswith(("swarm", "n1", "n2", "n3"))]
