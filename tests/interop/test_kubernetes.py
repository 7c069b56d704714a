"""containerd's CRI plug-in, asked as a kubelet asks it: the page about Kubernetes is typed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import session
from tests.support import debian13
from tests.support.command import Minidock

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/kubernetes"

pytestmark = pytest.mark.interop


@pytest.fixture
def shells(minidock: Minidock, outside: list[str], tmp_path: Path) -> Iterator[session.Shells]:
    """A terminal with today's containerd and the page's two programs on the PATH."""
    environment = session.environment(minidock.environment, Path(minidock.program[0]))
    programs = ":".join(map(str, [*debian13.docker(outside), EXAMPLE]))
    environment |= {"PATH": f"{programs}:{environment['PATH']}", "NODE": str(tmp_path / "node"),
                    "CONTAINERD": str(tmp_path / "node/containerd.sock")}  # fmt: skip
    opened = session.Shells(tmp_path, environment, patience=240)
    try:
        yield opened
    finally:
        opened.close()
        subprocess.run([EXAMPLE / "node", "down"], env=environment, check=True)


@pytest.mark.timeout(900)
def test_the_page_shows_what_happens(shells: session.Shells) -> None:
    shells.check(session.read(ROOT / "docs/book/6-5-kubernetes.md"))
