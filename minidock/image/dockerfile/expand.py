"""Variables in a Dockerfile: `$name`, `${name}` and the shell's modifiers, and the quotes around words.

Reference, "Environment replacement"; POSIX.1-2024, Shell Command Language, 2.6.2, for what the modifiers mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from minidock.image.dockerfile.dockerfile_errors import DockerfileError

_SPACES = re.compile(r"\s")
_SPECIAL = "@*#?-$!0"  # the shell's own parameters, which are never set here


class Expansion:
    """Replaces variables by their values. `used` collects the names that were asked for, set or not.

    `escape`: the character that takes the next one's meaning away. `keep_unset`: what is not set stays as written, for
    a shell that may know it.
    """

    def __init__(self, values: Mapping[str, str], escape: str = "\\", *, keep_unset: bool = False) -> None:
        self.values = values
        self.escape = escape
        self.keep_unset = keep_unset
        self.used: dict[str, bool] = {}

    def word(self, text: str) -> str:
        """One word with its variables replaced and its quotes and escapes taken away. Raises `DockerfileError`."""
        return self._run(text, quotes=True)[0]

    def words(self, text: str) -> list[str]:
        """The words that `text` becomes: a value with spaces in it is several, unless quoted."""
        return self._run(text, quotes=True)[1]

    def plain(self, text: str) -> str:
        """Variables replaced; quotes are characters like any other, as in a here-document's content."""
        return self._run(text, quotes=False)[0]

    def _run(self, text: str, *, quotes: bool) -> tuple[str, list[str]]:
        try:
            scanner = _Scanner(text, self, quotes=quotes)
            return scanner.until(""), scanner.words()
        except ValueError as error:
            raise DockerfileError(f'failed to process "{text}": {error}') from None

    def value(self, name: str) -> str | None:
        """A variable's value, noted as used; None if it is not set."""
        found = self.values.get(name)
        self.used[name] = found is not None
        return found


class _Scanner:
    """One text on its way through, character by character. Raises `ValueError` in docker's words."""

    def __init__(self, text: str, expansion: Expansion, *, quotes: bool) -> None:
        self.text = text
        self.position = 0
        self.expansion = expansion
        self.quotes = quotes
        self._found: list[str] = []
        self._word = ""
        self._special = "$" + expansion.escape + ("'\"" if quotes else "")

    def words(self) -> list[str]:
        """The words of all that was scanned so far."""
        self._end_word()
        return self._found

    def until(self, stop: str, *, raw_escapes: bool = False) -> str:
        """The text up to an unquoted `stop` ('': to the end), replaced. `raw_escapes`: escape characters stay."""
        result = []
        ordinary = re.compile(f"[^{re.escape(self._special + stop)}]+")
        while (char := self._peek()) != stop or not char:
            if not char:
                if stop:
                    raise ValueError(f"unexpected end of statement while looking for matching {stop}")
                break
            if char == "$":
                piece = self._dollar()
                self._add(piece, splits=True)
            elif self.quotes and char in "'\"":
                piece = self._single() if char == "'" else self._double(raw_escapes=raw_escapes)
                self._add(piece, splits=False)
            elif char == self.expansion.escape:
                self._next()
                escaped = self._next()
                piece = char + escaped if raw_escapes else escaped
                self._add(piece, splits=False)
            else:
                match = ordinary.match(self.text, self.position)
                assert match
                piece = match[0]
                self.position = match.end()
                self._add(piece, splits=True)
            result.append(piece)
        self._next()
        return "".join(result)

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _next(self) -> str:
        self.position += 1
        return self.text[self.position - 1 : self.position]

    def _add(self, piece: str, *, splits: bool) -> None:
        if not self.quotes:
            return  # nobody asks for the words of a text without quotes
        first, *others = _SPACES.split(piece) if splits else [piece]
        self._word += first
        for other in others:
            self._end_word()
            self._word = other

    def _end_word(self) -> None:
        if self._word:
            self._found.append(self._word)
        self._word = ""

    def _single(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise ValueError("unexpected end of statement while looking for matching single-quote")
        piece = self.text[self.position + 1 : end]
        self.position = end + 1
        return piece

    def _double(self, *, raw_escapes: bool) -> str:
        """Inside, the escape character counts only before ", $ and itself."""
        self._next()
        result = []
        while (char := self._peek()) != '"':
            if not char:
                raise ValueError("unexpected end of statement while looking for matching double-quote")
            if char == "$":
                result.append(self._dollar())
                continue
            self._next()
            if char == self.expansion.escape:
                if raw_escapes:
                    result.append(char)
                following = self._peek()
                if not following:
                    continue
                if following in ('"', "$", self.expansion.escape):
                    char = self._next()
            result.append(char)
        self._next()
        return "".join(result)

    def _dollar(self) -> str:
        """`$name` or `${...}`, from the dollar sign on."""
        self._next()
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self.expansion.value(name)
            return f"${name}" if value is None and self.expansion.keep_unset else value or ""
        self._next()
        if not self._peek():
            raise ValueError("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise ValueError("syntax error: bad substitution")
        return self._braces(self._name())

    def _name(self) -> str:
        """A variable's name: letters, digits and _; digits only, if it begins with one; or one special character."""
        pattern = re.compile(rf"[0-9]+|[{re.escape(_SPECIAL)}]|\w*")
        match = pattern.match(self.text, self.position)
        assert match
        self.position = match.end()
        return match[0]

    def _braces(self, name: str) -> str:
        modifier = self._next()
        if modifier == "}":
            value = self.expansion.value(name)
            return f"${{{name}}}" if value is None and self.expansion.keep_unset else value or ""
        if modifier == "/":
            return self._replaced(name)
        colon = modifier == ":"
        if colon:
            modifier = self._next()
        shown = ":" * colon + modifier
        if not modifier or modifier not in "-+?#%" or (colon and modifier in "#%"):
            raise ValueError(f"unsupported modifier ({shown}) in substitution")
        word = self._operand("}", raw_escapes=modifier in "#%")
        value = self.expansion.value(name)
        if value is None and self.expansion.keep_unset:
            return f"${{{name}{shown}{word}}}"
        if modifier in "#%":
            return _trimmed(value or "", word, modifier)
        return _chosen(name, value, modifier, word, colon=colon)

    def _operand(self, stop: str, *, raw_escapes: bool) -> str:
        """What follows a modifier, up to `stop`. Its words are not words of the whole."""
        found, word = self._found, self._word
        self._found, self._word = [], ""
        try:
            return self.until(stop, raw_escapes=raw_escapes)
        except ValueError:
            if not self._peek():
                where = "" if stop == "}" else " in ${}"
                raise ValueError(f"syntax error: missing '{stop}'{where}") from None
            raise
        finally:
            self._found, self._word = found, word

    def _replaced(self, name: str) -> str:
        """`${name/pattern/replacement}`, and with two slashes all of its places."""
        everywhere = self._peek() == "/"
        if everywhere:
            self._next()
        pattern, replacement = self._operand("/", raw_escapes=True), self._operand("}", raw_escapes=True)
        value = self.expansion.value(name)
        if value is None and self.expansion.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        expression = re.compile(_expression(pattern, greedy=True), re.DOTALL)
        return expression.sub(lambda _: replacement, value or "", count=0 if everywhere else 1)


def _chosen(name: str, value: str | None, modifier: str, word: str, *, colon: bool) -> str:
    """What -, + and ? make of a value; with a colon, an empty one counts as unset."""
    missing = value is None or (colon and not value)
    if modifier == "-":
        return word if missing else value or ""
    if modifier == "+":
        return "" if missing else word
    if missing:
        state = "unset" if value is None else "empty"
        raise ValueError(f"{name}: {word or f'is not allowed to be {state}'}")
    return value or ""


def _trimmed(value: str, pattern: str, modifier: str) -> str:
    """`value` without the shortest (#, %) or longest (##, %%) beginning or end that fits a pattern."""
    longest = pattern.startswith(modifier)
    expression = re.compile(_expression(pattern[longest:], greedy=longest), re.DOTALL)
    if modifier == "#":
        match = expression.match(value)
        return value[match.end() :] if match else value
    starts = range(len(value) + 1) if longest else range(len(value), -1, -1)
    start = next((start for start in starts if expression.fullmatch(value, start)), len(value))
    return value[:start]


def _expression(pattern: str, *, greedy: bool) -> str:
    """A shell's pattern with * and ? as a regular expression. An escaped } or / is only that character."""
    out, position = [], 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            out.append(".*" if greedy else ".*?")
        elif char == "?":
            out.append(".")
        elif char == "\\":
            escaped = pattern[position : position + 1]
            if escaped not in ("}", "/", "*", "?", "\\"):
                raise ValueError(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")
            out.append(re.escape(escaped))
            position += 1
        else:
            out.append(re.escape(char))
    return "".join(out)
