"""Every step in the code has its texts, in every language; every section that it names is in the book."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import minidock
from minidock.explain.trace import book, texts

PACKAGE = Path(minidock.__file__).parent


def steps() -> Iterator[tuple[str, ast.Call]]:
    """(file:line, the call) of every `step(...)` in the package."""
    for file in PACKAGE.rglob("*.py"):
        if not re.search(r"from minidock.observe import .*\bstep\b|observe\.step\(", file.read_text()):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("step", "observe.step"):
                yield f"{file.relative_to(PACKAGE.parent)}:{node.lineno}", node


def titles() -> dict[str, str]:
    """Every title, with a place where it is; a title that is put together at run time has no texts."""
    found = {}
    for place, call in steps():
        title = call.args[0]
        assert isinstance(title, ast.Constant), f"{place}: the title of a step is not a plain text"
        found[title.value] = place
    return found


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_step_has_its_texts_and_no_other(language: str) -> None:
    known = texts.load(language).steps
    missing = {title: place for title, place in titles().items() if title not in known}
    assert missing == {}, f"add these to minidock/explain/trace/texts/{language}.py"
    assert set(known) - set(titles()) == set(), "no step is called so any more"
    for title, why in known.values():
        assert title.strip() == title != ""
        assert why.endswith("."), f"not a sentence: {why}"


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_title_can_stand_on_a_slide(language: str) -> None:
    """It says what is done, verb first, on one line of an old terminal with the step's number and its process."""
    for title, _ in texts.load(language).steps.values():
        assert len(title) <= 56, title
        assert re.match(r"[A-ZÉ][a-zéèêâîôûçà]+ ", title), title
        assert not title.endswith((".", "?", "!")), title


def test_languages_have_the_same_keys_and_the_same_gaps() -> None:
    english, *others = (texts.load(language) for language in texts.LANGUAGES)
    for other in others:
        assert other.labels.keys() == english.labels.keys()
        assert other.processes.keys() == english.processes.keys()
        assert {key: gaps(words) for key, words in other.labels.items()} == {
            key: gaps(words) for key, words in english.labels.items()
        }


def gaps(words: str) -> list[str]:
    """What is filled in."""
    return sorted(re.findall(r"{\w*}", words))


def test_nothing_is_left_untranslated() -> None:
    french = texts.load("fr")
    same = [title for title, (own, _) in french.steps.items() if own == title]
    assert same == []


def test_every_section_that_a_step_names_is_in_the_book() -> None:
    sections = {}
    for place, call in steps():
        for keyword in call.keywords:
            if keyword.arg == "book" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
                sections[keyword.value.value] = place
    assert {key: place for key, place in sections.items() if key not in book.SECTIONS} == {}


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "fr", "LANG": "en_US.UTF-8"}, "fr"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "fr_CA"}, "fr"),
    ],
)
def test_the_locale_chooses_the_language(environment: dict[str, str], language: str) -> None:
    assert texts.language(environment) == language
