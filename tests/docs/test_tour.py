"""Every command in docs/tour, docs/book, course and README.md is typed into a terminal, and shows what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import session
from tests.support.command import Minidock
from tests.support.examples import Examples

ROOT = Path(__file__).parents[2]
PATHS = [
    ROOT / "README.md",
    *(page for place in ("docs/tour", "docs/book", "course") for page in sorted(ROOT.glob(f"{place}/**/*.md"))),
]
PAGES = [session.read(path) for path in PATHS if not path.name.startswith("6-")]  # those: tests/interop/test_swarm.py
_PATIENCE = 240  # seconds, for a command that builds and starts all of the application

_SLOW = pytest.mark.timeout(1200)  # seconds: an image is made of packages that are downloaded


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}" if path.stem == "README" else path.stem


def parameters(*, examples: bool) -> list[object]:
    """The pages in which something is typed, with the marks that their blocks ask for; those about examples/ or not."""
    return [
        pytest.param(page, id=_name(page.path), marks=[getattr(pytest.mark, mark) for mark in page.marks])
        for page in PAGES
        if page.lines and ("interop" in page.marks) == examples
    ]


@pytest.mark.parametrize("page", parameters(examples=False))
def test_a_page_shows_what_happens(page: session.Page, engine: Minidock, tmp_path: Path) -> None:
    shows_what_happens(page, session.Shells(tmp_path, environment(engine)), engine)


@_SLOW
@pytest.mark.parametrize("page", parameters(examples=True))
def test_a_page_about_examples_shows_what_happens(page: session.Page, examples: Examples, tmp_path: Path) -> None:
    examples.lay(tmp_path, page.path.read_text())
    shells = session.Shells(tmp_path, environment(examples.engine), _PATIENCE)
    shows_what_happens(page, shells, examples.engine)


def environment(engine: Minidock) -> dict[str, str]:
    """A student's shell."""
    return session.environment(engine.environment, Path(engine.program[0]))


def shows_what_happens(page: session.Page, shells: session.Shells, engine: Minidock) -> None:
    """Type the page."""
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
