"""Keep the French pages together with the English ones: `python3 docs/french_pages.py` (--check: only compare).

    README.md, docs/tour/NAME.md, docs/book/NAME.md     English
    README.fr.md, docs/fr/tour/..., docs/fr/book/...    French

Blocks between fences, such as sessions, are written once, in the English page. Here they are put into the French one,
the first into its first pair of fences and so on: a translator leaves them empty. Each page has the same sections, in
the same order and depth.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FRENCH = ROOT / "docs" / "fr"
_FENCE = "```"


def pairs() -> Iterator[tuple[Path, Path]]:
    """(the English page, the French page), of all that are to have both."""
    yield ROOT / "README.md", ROOT / "README.fr.md"
    for room in ("docs/tour", "docs/book", "course"):
        for page in sorted((ROOT / room).rglob("*.md")):
            yield page, FRENCH / page.relative_to(ROOT / "docs" if room.startswith("docs") else ROOT)


def split(text: str) -> tuple[list[str], list[str]]:
    """A page as the texts between its blocks, and the blocks with their fences."""
    texts, blocks, block = [""], [], ""
    for line in text.splitlines(keepends=True):
        if line.startswith(_FENCE):
            block += line
            if block != line:
                blocks.append(block)
                texts.append("")
                block = ""
        elif block:
            block += line
        else:
            texts[-1] += line
    return texts, blocks


def sections(texts: list[str]) -> list[int]:
    """The depth of each heading."""
    return [len(marks) for marks in re.findall(r"^(#+) ", "\n".join(texts), re.MULTILINE)]


def with_blocks_of(english: str, french: str) -> str:
    """The French page with the English one's blocks. Raises `ValueError` if the two have not the same parts."""
    texts, old = split(french)
    own, blocks = split(english)
    if len(old) != len(blocks):
        raise ValueError(f"{len(old)} blocks, and {len(blocks)} in English")
    if sections(texts) != sections(own):
        raise ValueError(f"sections of the depths {sections(texts)}, and {sections(own)} in English")
    return texts[0] + "".join(block + text for block, text in zip(blocks, texts[1:], strict=True))


def main() -> int:
    """Returns the exit code: 1 for a page that is missing, or has other parts; with --check, other blocks too."""
    faults = []
    for english, french in pairs():
        name = french.relative_to(ROOT)
        if not french.exists():
            faults.append(f"{name} is missing")
            continue
        before = french.read_text()
        try:
            after = with_blocks_of(english.read_text(), before)
        except ValueError as error:
            faults.append(f"{name} has {error}")
            continue
        if after != before and "--check" in sys.argv:
            faults.append(f"{name} has other blocks: run python3 docs/french_pages.py")
        elif after != before:
            french.write_text(after)
    print("".join(f"{fault}\n" for fault in faults), end="")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
