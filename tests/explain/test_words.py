"""The texts: complete in every language, and none too many."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

from minidock.explain import translations

HERE = Path(translations.__file__).parent


def fields(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_every_text_is_there_in_every_language_with_the_same_places() -> None:
    for key, texts in translations.TEXTS.items():
        assert len(texts) == len(translations.LANGUAGES), key
        assert all(text.strip() for text in texts), key
        assert len(set(map(fields, texts))) == 1, key


def nodes() -> Iterator[ast.AST]:
    """The code that asks for texts."""
    for path in (*HERE.glob("*.py"), *HERE.glob("xray/*.py")):
        if path.name != "words.py":
            yield from ast.walk(ast.parse(path.read_text()))


def test_every_text_is_asked_for_and_every_text_that_is_asked_for_is_there() -> None:
    constants, beginnings = set(), set()  # "of" and the beginning of f"role {mount.role}"
    for node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            constants.add(node.value)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"):
            continue
        if isinstance(node.args[0], ast.Constant):
            assert node.args[0].value in translations.TEXTS
        elif isinstance(node.args[0], ast.JoinedStr) and isinstance(node.args[0].values[0], ast.Constant):
            beginnings.add(node.args[0].values[0].value)
    assert {"ns ", "role ", "network "} <= beginnings
    asked = {key for key in translations.TEXTS if key in constants or key.startswith(tuple(beginnings))}
    asked |= {f"{key} why" for key in constants}  # of a section's key
    assert set(translations.TEXTS) - asked == set()
