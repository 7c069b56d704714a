"""A template's text, cut into plain text and actions, and actions into tokens (Go: text/template/parse/lex.go)."""

from __future__ import annotations

import re

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple


class TemplateError(UsageError):
    """What is wrong with a template, in Go's words; `is_syntax`: it cannot be read at all."""

    def __init__(self, message: str, *, is_syntax: bool = False) -> None:
        super().__init__(f"template: {message}")
        self.is_syntax = is_syntax


class Token(NamedTuple):
    """`at`: where it begins in the template."""

    kind: str
    text: str
    at: int


class Piece(NamedTuple):
    """Plain text, or the tokens of an action."""

    text: str
    tokens: list[Token] | None
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\w*)
    |(?P<field>\.[^\W\d]\w*)
    |(?P<variable>\$\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>:=|[.=|(),])""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F_]+|(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?)")
_END = re.compile(r"\s-\}\}|\}\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def syntax_error(text: str, at: int, message: str) -> TemplateError:
    """An error at a place of the template, of which Go tells the line."""
    return TemplateError(f":{text.count(chr(10), 0, at) + 1}: {message}", is_syntax=True)


def pieces(text: str) -> list[Piece]:
    """All of a template; `{{-` and `-}}` have taken the white space beside them."""
    found: list[Piece] = []
    at, trims = 0, False
    while True:
        begin = text.find("{{", at)
        plain = text[at : begin if begin >= 0 else None]
        plain = plain.lstrip() if trims else plain
        trims_left = begin >= 0 and re.match(r"-\s", text[begin + 2 :]) is not None
        found.append(Piece(plain.rstrip() if trims_left else plain, None, at))
        if begin < 0:
            return found
        tokens, at, trims = _action(text, begin + (3 if trims_left else 2))
        if tokens is not None:
            found.append(Piece("", tokens, begin))


def _action(text: str, at: int) -> tuple[list[Token] | None, int, bool]:
    """The tokens of one action (None: it is a comment), where it ends, and whether it ends in `-}}`."""
    start = at + len(text[at:]) - len(text[at:].lstrip())
    if text.startswith("/*", start):
        comment = _COMMENT.match(text, start)
        if not comment:
            raise syntax_error(text, start, "unclosed comment")
        end = _END.match(text, comment.end())
        if not end:
            raise syntax_error(text, start, "comment ends before closing delimiter")
        return None, end.end(), "-" in end[0]
    tokens: list[Token] = []
    depth = 0
    while True:
        if end := _END.match(text, at):
            if depth:
                raise syntax_error(text, at, "unclosed left paren")
            return tokens, end.end(), "-" in end[0]
        token = _token(text, at)
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            raise syntax_error(text, at, "unexpected right paren")
        at += len(token.text)
        if token.kind != "space":
            tokens.append(token)


def _token(text: str, at: int) -> Token:
    if at >= len(text):
        raise syntax_error(text, at, "unclosed action")
    match = _TOKEN.match(text, at)
    if match is None:
        letter = text[at]
        if letter in "\"'`":
            kind = {'"': "quoted string", "'": "character constant", "`": "raw quoted string"}[letter]
            raise syntax_error(text, at, f"unterminated {kind}")
        if letter == "}":
            raise syntax_error(text, at, "bad character U+007D '}'")
        raise syntax_error(text, at, f'unexpected "{letter}" in command')
    kind = str(match.lastgroup)
    if kind == "number" and not _NUMBER.fullmatch(match[0]):
        raise syntax_error(text, at, f'bad number syntax: "{match[0]}"')
    following = text[match.end() : match.end() + 1]
    if kind in ("field", "variable", "word") and not re.match(r"[\s.,|:=()}]|$|-$", following):
        raise syntax_error(text, at, f"bad character U+{ord(following):04X} '{following}'")
    return Token(kind, match[0], at)
