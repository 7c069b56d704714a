"""Every command in docs/tour, in docs/book and in the README is typed into a terminal, and shows what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import session
from tests.support.command import Minidock

ROOT = Path(__file__).parents[2]
PATHS = [ROOT / "README.md", *sorted(ROOT.glob("docs/tour/*.md")), *sorted(ROOT.glob("docs/book/*.md"))]
PAGES = [session.read(path) for path in PATHS]


def parameters() -> list[object]:
    """The pages in which something is typed, with the marks that their blocks ask for."""
    return [
        pytest.param(page, id=page.path.stem, marks=[getattr(pytest.mark, mark) for mark in page.marks])
        for page in PAGES
        if page.lines and not page.path.name.startswith("6-")  # tests/interop/test_swarm.py
    ]


@pytest.mark.parametrize("page", parameters())
def test_a_page_shows_what_happens(page: session.Page, engine: Minidock, tmp_path: Path) -> None:
    shells = session.Shells(tmp_path, session.environment(engine.environment, Path(engine.program[0])))
    try:
        shells.check(page)
    finally:
        shells.close()
        left = engine("ps", "-a", "-q").stdout.decode().split()  # of a page that failed half-way
        if left:
            engine("rm", "-f", *left)


def test_links_lead_to_files_that_exist() -> None:
    for page in PATHS:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
