"""A logical line as words: the instruction's name, its flags, its arguments, and what those say of here-documents.

Reference, "Format", "Shell and exec form" and "Here-Documents".
"""

from __future__ import annotations

import json
import re

from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.named_tuple import NamedTuple

_SPACES = re.compile(r"[\t\v\f\r ]+")
_HEREDOC = re.compile(r"(\d*)<<(-?)\s*([^<]*)")


class Heredoc(NamedTuple):
    """`name` ends it; `expand`: variables in it count, as no part of its name was quoted; `chomp`: leading tabs go."""

    name: str
    expand: bool
    chomp: bool
    content: str = ""

    @property
    def text(self) -> str:
        """The content, without leading tabs where `<<-` says so."""
        return re.sub(r"(?m)^\t+", "", self.content) if self.chomp else self.content


def split_command(line: str, escape: str) -> tuple[str, list[str], str]:
    """(instruction, its flags as `--name=value`, the rest)."""
    parts = _SPACES.split(line.strip(), maxsplit=1)
    if len(parts) == 1:
        return parts[0], [], ""
    flags, rest = _flags(parts[1], escape)
    return parts[0], flags, rest.strip()


def _flags(text: str, escape: str) -> tuple[list[str], str]:
    """The words at the beginning that begin with `--`, without their quotes, and what follows; `--` alone ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith("--", position):
            return flags, text[position:]
        word, quoted, position = _flag(text, position, escape)
        if word == "--":
            return flags, text[position:]
        if word or quoted:
            flags.append(word)


def _flag(text: str, position: int, escape: str) -> tuple[str, bool, int]:
    """One word from `position` on: (its value, whether any of it was quoted, where it ends)."""
    word, quote, quoted = [], "", False
    while position < len(text):
        char = text[position]
        if quote and char == quote:
            quote = ""
        elif char == escape:
            position += 1
            word.append(text[position : position + 1])
        elif not quote and char in "'\"":
            quote, quoted = char, True
        elif not quote and char.isspace():
            break
        else:
            word.append(char)
        position += 1
    return "".join(word), quoted, position


def json_list(text: str) -> list[str] | None:
    """The exec form's list of strings; None if `text` is no JSON list. Raises `DockerfileError` for other values."""
    if not text.lstrip().startswith("["):
        return None
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not all(isinstance(value, str) for value in values):
        raise DockerfileError("when using JSON array syntax, arrays must be comprised of strings only")
    return list(values)


def separated(text: str) -> list[str]:
    """Words between white space, whatever quotes are in them: of FROM, EXPOSE, COPY, ..."""
    return _SPACES.split(text) if text else []


def quoted(text: str, escape: str) -> list[str]:
    """Words between white space, where quotes and the escape character hold together what has some: of ENV, LABEL, ARG.

    Quotes and escapes stay: `expand.word` takes them away.
    """
    found: list[str] = []
    word: list[str] = []
    quote, begun, position = "", False, 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char.isspace():
            if begun:
                found.append("".join(word))
            word, begun = [], False
            continue
        begun = True
        if char == escape and quote != "'":
            if position == len(text):  # nothing is left for it to escape
                break
            word += [char, text[position]]
            position += 1
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    if begun and word:
        found.append("".join(word))
    return found


def pairs(instruction: str, text: str, escape: str) -> list[tuple[str, str]]:
    """`a=1 b=2`, or the older `a 1`: of ENV and LABEL. Raises `DockerfileError`."""
    found = quoted(text, escape)
    if not found:
        raise DockerfileError(f"{instruction} requires at least one argument")
    if "=" not in found[0]:
        parts = _SPACES.split(text, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError(f"{instruction} must have two arguments")
        return [(parts[0], parts[1])]
    for word in found:
        if "=" not in word:
            raise DockerfileError(f"Syntax error - can't find = in {json.dumps(word)}. Must be of the form: name=value")
        if word.startswith("="):
            raise DockerfileError(f"{instruction} names can not be blank")
    return [(name, value) for name, _, value in (word.partition("=") for word in found)]


def heredocs(line: str) -> list[Heredoc]:
    """The here-documents that a line announces, still without content."""
    return [found for word in _shell_words(line) if (found := heredoc(word))]


def heredoc(word: str) -> Heredoc | None:
    """What `<<NAME`, `<<-NAME`, `3<<"NAME"` announces; None for any other word."""
    match = _HEREDOC.fullmatch(word)
    if not match or not match[3]:
        return None
    name = _unquoted(match[3])
    if name is None or not name or any(char.isspace() for char in name):
        return None
    return Heredoc(name, expand=name == match[3], chomp=match[2] == "-")


def _unquoted(text: str) -> str | None:
    """A word without its quotes; None if one has no end."""
    return None if text.count("'") % 2 or text.count('"') % 2 else text.replace("'", "").replace('"', "")


def _shell_words(line: str) -> list[str]:
    """Words as a shell cuts them, quotes kept; white space between `<<` and its name does not end a word."""
    found: list[str] = []
    word, quote, position = "", "", 0
    while position < len(line):
        char = line[position]
        if char == "\\" and quote != "'":
            word += line[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if char == quote else quote
            word += char
        elif char in "'\"":
            quote = char
            word += char
        elif line.startswith("<<", position):
            gap = re.compile(r"<<-?[\t\r ]*").match(line, position)
            assert gap
            word += gap[0]
            position = gap.end()
            continue
        elif char.isspace():
            if word:
                found.append(word)
            word = ""
        else:
            word += char
        position += 1
    return [*found, word] if word else found
