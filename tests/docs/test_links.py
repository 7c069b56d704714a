"""What the pages and comments point at is there: links, and files named by their path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/**/*.md")), *sorted(CHECKOUT.glob("course/**/*.md"))]
ROOMS = ("minidock", "rootfs", "benchmarks", "tests")
LINK = re.compile(r"\]\((?![a-z]+://)([^)#\s]*)(?:#([^)\s]+))?\)")
# A path into the code, from the checkout: in a page, a docstring or a comment.
NAMED = re.compile(r"(?<![\w./-])(?<!docker: )((?:minidock|rootfs|benchmarks|docs)/(?:[\w.-]+/)*[\w.-]+\.(?:py|md))\b")


def anchors(page: Path) -> set[str]:
    """What a heading of the page can be linked by, in the way of GitHub."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("name", ["docs/tour", "docs/book", "course"])
def test_every_page_is_in_its_list(name: str) -> None:
    place = CHECKOUT / name
    listed = {target for target, _ in LINK.findall((place / "README.md").read_text())}
    pages = {str(page.relative_to(place)) for page in place.glob("**/*.md")}
    assert pages - {"README.md"} <= listed


def test_files_that_are_named_by_their_path_are_there() -> None:
    sources = [path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py")]
    named = {(str(page), path) for page in [*PAGES, *sources] for path in NAMED.findall(page.read_text())}
    assert len(named) > 20
    assert [(page, path) for page, path in sorted(named) if not (CHECKOUT / path).exists()] == []
