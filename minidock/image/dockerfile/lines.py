"""A Dockerfile's text as logical lines: directives, comments, continued lines and here-documents taken care of.

Reference, "Format", "Parser directives", "Escape" and "Here-Documents".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from minidock.image.dockerfile import words
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.words import Heredoc
from minidock.named_tuple import NamedTuple

_BOM = "\ufeff"
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = ("syntax", "escape", "check")
_WITH_HEREDOC = ("ADD", "COPY", "RUN")


class Line(NamedTuple):
    """One logical line. `first` and `last`: its lines in the file, from 1; `comments`: those right above it."""

    text: str
    first: int
    last: int
    heredocs: tuple[Heredoc, ...]
    comments: tuple[str, ...]


class Source(NamedTuple):
    """A whole file: `directives` by name, `escape` the character that continues a line, `warnings` with their lines."""

    lines: tuple[Line, ...]
    directives: dict[str, str]
    escape: str
    warnings: tuple[tuple[int, str], ...]


def decoded(data: bytes) -> str:
    """A file's text. Bytes that are not UTF-8 stay what they are (PEP 383), as in a file's name that COPY names."""
    return data.decode("utf-8", "surrogateescape").removeprefix(_BOM)


def split(text: str) -> Source:
    """Cut a Dockerfile into logical lines. Raises `DockerfileError`."""
    physical = text.split("\n")
    if physical and not physical[-1]:
        physical.pop()
    directives = _directives(physical)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise DockerfileError(f"invalid escape token '{escape}' does not match ` or \\", 1)
    reader = _Reader(physical, escape)
    lines = tuple(reader.logical(len(directives)))
    if not lines:
        raise DockerfileError("file with no instructions", max(1, len(physical)))
    return Source(lines, directives, escape, tuple(reader.warnings))


def _directives(physical: list[str]) -> dict[str, str]:
    """Those at the very top: the first line that is none ends them."""
    found: dict[str, str] = {}
    for number, line in enumerate(physical, 1):
        match = _DIRECTIVE.match(line.strip())
        name = match[1].lower() if match else ""
        if not match or name not in _DIRECTIVES:
            break
        if name in found:
            raise DockerfileError(f"only one {name} parser directive can be used", number)
        found[name] = match[2]
    return found


class _Reader:
    def __init__(self, physical: list[str], escape: str) -> None:
        self.physical = physical
        self.escape = escape
        self.position = 0
        self.warnings: list[tuple[int, str]] = []
        mark = re.escape(escape)
        # At the end of a line, and not itself escaped; or alone on one.
        self._continued = re.compile(rf"(?:(?<=[^{mark}])|^){mark}[ \t]*$")

    def logical(self, skip: int) -> Iterator[Line]:
        """Each logical line; `skip` lines at the top are directives."""
        self.position = skip
        comments: list[str] = []
        while self.position < len(self.physical):
            line = self._next().lstrip()
            first = self.position
            if line.startswith("#"):
                comment = line[1:].strip()
                comments = [*comments, comment] if comment else []
                continue
            text = self._joined(line)
            if not text.strip():
                continue
            heredocs = tuple(self._heredocs(text, first))
            yield Line(text, first, self.position, heredocs, tuple(comments))
            comments = []

    def _next(self) -> str:
        self.position += 1
        return self.physical[self.position - 1].rstrip("\r")

    def _joined(self, line: str) -> str:
        """A line with all that continues it. Comments between are left out; so are empty lines, with a warning."""
        pieces, has_empty = [], False
        while True:
            match = self._continued.search(line)
            pieces.append(line[: match.start()] if match else line)
            if not match:
                break
            following = None
            while self.position < len(self.physical):
                candidate = self._next()
                if candidate.lstrip().startswith("#"):
                    continue
                if not candidate.strip():
                    has_empty = True
                    continue
                following = candidate
                break
            if following is None:
                break
            line = following
        text = "".join(pieces)
        if has_empty:
            self.warnings.append((self.position, f"Empty continuation line found in: {text}"))
        return text

    def _heredocs(self, text: str, first: int) -> Iterator[Heredoc]:
        """The here-documents that a line announces, each with its content, which stands below the line."""
        if "<<" not in text or not _may_have_heredocs(text, self.escape):
            return
        for found in words.heredocs(text):
            content: list[str] = []
            while True:
                if self.position >= len(self.physical):
                    raise DockerfileError("unterminated heredoc", first)
                self.position += 1
                line = self.physical[self.position - 1]
                end = line.rstrip("\r")
                if (end.lstrip("\t") if found.chomp else end) == found.name:
                    break
                content.append(line + "\n")
            yield found._replace(content="".join(content))


def _may_have_heredocs(text: str, escape: str) -> bool:
    name, _, rest = words.split_command(text, escape)
    if name.upper() == "ONBUILD":
        name, _, rest = words.split_command(rest, escape)
    return name.upper() in _WITH_HEREDOC and words.json_list(rest) is None
