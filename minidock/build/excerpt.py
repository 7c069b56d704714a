"""The lines of a Dockerfile that something is said of, marked, with those around them: as BuildKit's errors have them
(solver/errdefs, "Source.Print").
"""

from __future__ import annotations

from minidock.image.dockerfile.lines import decoded

_RULE = "-" * 20
_MOST = 20  # marked lines, beyond which the middle is left out: a here-document may be long
_WIDTH = 200


def marked(content: bytes, name: str, first: int, last: int = 0) -> list[str]:
    """The excerpt with lines `first` to `last` (counted from 1) marked; nothing if there is no such line.

    `name`: what the file is called.
    """
    lines = decoded(content).split("\n")
    if not 1 <= first <= len(lines):
        return []
    last = min(max(first, last), len(lines))
    start, end = _around(first, last, len(lines))
    numbers = list(range(start, end + 1))
    if len(numbers) > _MOST:
        numbers = [*numbers[: _MOST // 2], 0, *numbers[-_MOST // 4 :]]
    rows = [
        _row(number, lines[number - 1], is_marked=first <= number <= last) if number else " ..." for number in numbers
    ]
    return [f"{name}:{first}", _RULE, *rows, _RULE]


def _around(first: int, last: int, count: int) -> tuple[int, int]:
    """A few lines more on both sides, as many as BuildKit shows: 4 around one line, 2 around several."""
    start, end, padded, wanted = first, last, 0, 4 if first == last else 2
    while padded < wanted:
        if start > 1:
            start, padded = start - 1, padded + 1
        if end != count:
            end, padded = end + 1, padded + 1
        padded += 1
    return start, end


def _row(number: int, line: str, *, is_marked: bool) -> str:
    text = "".join(char if char.isprintable() or char == "\t" else "�" for char in line.rstrip("\r"))
    text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    return f" {number:3} | {'>>>' if is_marked else '   '} {text}"
