"""What was probably meant by a word that is none of those that are known (BuildKit, util/suggest)."""

from __future__ import annotations

from collections.abc import Iterable

_NEAREST = 3  # changes of a character from which on two words are different ones


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is fewer than three changes away, or "". Whether letters are small does not count."""
    best, found = _NEAREST, ""
    for candidate in known:
        if abs(len(candidate) - len(word)) < best:
            count = distance(word.lower(), candidate.lower())
            if count < best:
                best, found = count, candidate
    return found


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " (did you mean RUN?)" to be put behind a message, or ""."""
    found = nearest(word, known)
    return f" (did you mean {found}?)" if found and found != word else ""


def distance(one: str, other: str) -> int:
    """How many characters must be put in, taken out or replaced (Levenshtein)."""
    above = list(range(len(other) + 1))
    for row, first in enumerate(one, 1):
        current = [row]
        for column, second in enumerate(other, 1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (first != second)))
        above = current
    return above[-1]
