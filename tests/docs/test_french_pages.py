"""The French pages are the English ones: same sections, same sessions, French typography."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.fr.md", *sorted((ROOT / "docs/fr").rglob("*.md"))]
_CODE = re.compile(r"^```.*?^```$|^    .*$|^\|? ?---.*$|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def test_each_english_page_has_a_french_one_with_the_same_parts() -> None:
    command = [sys.executable, ROOT / "docs/french_pages.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_is_set_as_french_is(page: Path) -> None:
    """No line begins with a colon: before : ; ? ! and within « » stands a space at which no line is broken."""
    text = _CODE.sub("", page.read_text())
    assert re.findall(r".{0,20} [:;?!»](?:\s|$)", text) == []
    assert re.findall(r"« .{0,20}", text) == []
    assert '"' not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
