"""Which files of a context are left out: .dockerignore, and the patterns of --exclude (reference, ".dockerignore").

Patterns are those of Go's filepath.Match, with `**` for any number of directories and `!` for exceptions. The last
pattern that fits a path, or a directory above it, decides.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple


class _Rule(NamedTuple):
    expression: re.Pattern[str]
    keeps: bool


class Patterns:
    """`excludes(path)` for paths relative to the context's root, with slashes."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        self._rules = [rule for line in self.lines if (rule := _rule(line))]
        self.has_exceptions = any(rule.keeps for rule in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excludes(self, path: str) -> bool:
        """Whether the file or directory `path` is left out."""
        excluded = False
        for rule in self._rules:
            if rule.keeps == excluded and rule.expression.match(path):
                excluded = not rule.keeps
        return excluded


def parse(text: str) -> list[str]:
    """The patterns of a .dockerignore file: lines that are neither empty nor comments."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _rule(line: str) -> _Rule | None:
    keeps = line.startswith("!")
    pattern = line[keeps:].strip()
    if keeps and not pattern:
        raise UsageError('illegal exclusion pattern: "!"')
    pattern = posixpath.normpath(pattern).lstrip("/") if pattern else ""
    if pattern in ("", "."):
        return None
    # Also everything below what fits: `/` and anything, or the end.
    return _Rule(re.compile(expression(pattern) + r"(?:/.*)?\Z", re.DOTALL), keeps)


def expression(pattern: str) -> str:
    """A pattern as a regular expression. Raises `UsageError` for one with a set of characters that has no end."""
    out, position = [], 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*" and pattern.startswith("*", position):
            position += 1
            if pattern.startswith("/", position):
                position += 1
                out.append("(?:.*/)?")  # `**/x`: x at any depth
            else:
                out.append(".*")
        elif char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = pattern.find("]", position + (pattern[position : position + 1] in ("^", "]")))
            if end < 0:
                raise UsageError(f"invalid pattern {pattern!r}: syntax error in pattern")
            out.append(_set(pattern[position:end]))
            position = end + 1
        elif char == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _set(text: str) -> str:
    """What stands between [ and ]: characters and ranges; ^ at the beginning for all others. Never a slash."""
    others = text.startswith("^")
    inside = re.sub(r"([\[\]\\&~|])", r"\\\1", text[others:])
    return f"(?!/)[{'^' if others else ''}{inside}]"
