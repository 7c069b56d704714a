"""`--format`: the part of Go's templates that docker's users type (pkg.go.dev/text/template).

{{.Repository}}:{{.Tag}}                        fields, also nested: {{.Config.Env}}
{{json .}}  {{join .Config.Cmd " "}}            functions; docker's are json, join, lower, upper, title, println
{{index .Config.Labels "name"}}  {{len .X}}     what is in a list or map
{{range .Mounts}}{{.Source}} {{end}}            once for each
{{if eq .Os "linux"}}yes{{else}}no{{end}}       not, and, or, eq, ne
{{.Name | upper}}                               a value passed on
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minidock.errors import UsageError

_ACTION = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|-?\d+(?:\.\d+)?(?=[\s|)]|$)|[^\s()|"`]+)""")

Context = Any
Render = Callable[[Context], str]
Value = Callable[[Context], Any]


class Template:
    """A parsed template. Raises `UsageError` where it cannot be parsed, and for a field that is not there."""

    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)
        self._at = 0
        self._render, ended_by = self._block()
        if ended_by:
            raise _error(f"unexpected {{{{{ended_by}}}}}")

    def render(self, data: Context) -> str:
        """The text for one thing (`.` in the template): a mapping with the fields' names."""
        return self._render(data)

    def _block(self) -> tuple[Render, str]:
        """Everything up to an {{end}}, an {{else}}, or the end of the text; and which of them it was."""
        parts: list[Render] = []
        while self._at < len(self._pieces):
            is_action, text = self._pieces[self._at]
            self._at += 1
            word, _, rest = text.partition(" ")
            if not is_action:
                parts.append(lambda _, text=text: text)  # type: ignore[misc]
            elif word in ("end", "else"):
                return _together(parts), text
            elif word in ("if", "range", "with"):
                parts.append(self._control(word, _expression(rest)))
            elif not text.startswith("/*"):
                value = _expression(text)
                parts.append(lambda data, value=value: _shown(value(data)))  # type: ignore[misc]
        return _together(parts), ""

    def _control(self, word: str, value: Value) -> Render:
        then, ended_by = self._block()
        otherwise: Render = lambda _: ""  # noqa: E731
        if ended_by.startswith("else if "):
            otherwise, ended_by = self._control("if", _expression(ended_by.removeprefix("else if "))), "end"
        elif ended_by == "else":
            otherwise, ended_by = self._block()
        if ended_by != "end":
            raise _error(f"{{{{{word}}}}} without {{{{end}}}}")

        def render(data: Context) -> str:
            found = value(data)
            if not found:
                return otherwise(data)
            if word == "range":
                return "".join(then(item) for item in (found.values() if isinstance(found, Mapping) else found))
            return then(found if word == "with" else data)

        return render


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Plain text and actions in turn; `{{-` and `-}}` take the white space beside them."""
    pieces: list[tuple[bool, str]] = []
    at, trims = 0, False
    for match in _ACTION.finditer(text):
        plain = text[at : match.start()]
        plain = plain.lstrip() if trims else plain
        pieces += [(False, plain.rstrip() if match[1] else plain), (True, match[2])]
        at, trims = match.end(), bool(match[3])
    rest = text[at:].lstrip() if trims else text[at:]
    if "{{" in rest:
        raise _error("{{ without }}")
    return [*pieces, (False, rest)]


def _together(parts: list[Render]) -> Render:
    return lambda data: "".join(part(data) for part in parts)


def _expression(text: str) -> Value:
    """A pipeline: operands and functions, each command's value passed on as the next one's last argument."""
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise _error(f"{text[at:].strip()!r} cannot be read")
        tokens.append(match[1])
        at = match.end()
    value, rest = _pipeline(tokens)
    if rest:
        raise _error(f"unexpected {rest[0]!r} in {text!r}")
    return value


def _pipeline(tokens: list[str]) -> tuple[Value, list[str]]:
    value: Value | None = None
    while True:
        operands: list[Value] = []
        name = ""
        while tokens and tokens[0] not in ("|", ")"):
            token, tokens = tokens[0], tokens[1:]
            if token == "(":
                inner, tokens = _pipeline(tokens)
                if not tokens:
                    raise _error("( without )")
                tokens = tokens[1:]
                operands.append(inner)
            elif not operands and not name and token in _FUNCTIONS:
                name = token
            else:
                operands.append(_operand(token))
        value = _command(name, operands + ([value] if value else []))
        if not tokens or tokens[0] == ")":
            return value, tokens
        tokens = tokens[1:]


def _command(name: str, operands: list[Value]) -> Value:
    if name:
        function = _FUNCTIONS[name]

        def call(data: Context) -> Any:
            try:
                return function(*(operand(data) for operand in operands))
            except (TypeError, ValueError, AttributeError, LookupError) as error:
                raise _error(f"{name} cannot be done here ({error})") from error

        return call
    if len(operands) != 1:
        raise _error("a value is missing" if not operands else "there are more values than a command takes")
    return operands[0]


def _operand(token: str) -> Value:
    if token[0] == '"':
        try:
            text = json.loads(token)
        except ValueError as error:
            raise _error(f"{token} is not a string") from error
        return lambda _: text
    if token[0] == "`":
        return lambda _: token[1:-1]
    if token in (".", "$"):
        return lambda data: data
    if token in ("true", "false", "nil"):
        return lambda _: {"true": True, "false": False, "nil": None}[token]
    if re.fullmatch(r"-?\d+(\.\d+)?", token):
        return lambda _: json.loads(token)
    if not re.fullmatch(r"\$?(\.[A-Za-z_]\w*)+", token):
        raise _error(f"function {token!r} not defined")
    names = token.removeprefix("$").split(".")[1:]

    def field(data: Context) -> Any:
        for name in names:
            if not isinstance(data, Mapping):
                raise _error(f"{token}: {name} is asked of {'nothing' if data is None else 'a value without fields'}")
            if name not in data:
                raise _error(f"there is no field {name!r}; there are {', '.join(map(str, data))}")
            data = data[name]
        return data

    return field


def _index(found: Any, *keys: Any) -> Any:
    for key in keys:
        found = (found or {}).get(key, "") if isinstance(found, Mapping) or found is None else found[key]
    return found


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "join": lambda values, separator: separator.join(map(_shown, values or [])),
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "title": lambda text: text.title(),
    "split": lambda text, separator: text.split(separator),
    "len": len,
    "index": _index,
    "print": lambda *values: "".join(map(_shown, values)),
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "eq": lambda first, *others: first in others,
    "ne": lambda first, second: first != second,
    "not": lambda value: not value,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
}


def _shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(_shown, value))}]"
    return str(value)


def _error(message: str) -> UsageError:
    return UsageError(f"template parsing error: {message}")


# Lists of things


def listing(template: str | None, rows: Sequence[Mapping[str, Any]], headers: Mapping[str, str], default: str) -> str:
    """What a command prints that lists things, one mapping each.

    `template` is --format's value: a template per line, `table` and a template with columns, `json`, or None for the
    table of the template `default`. `headers` are the columns' titles by field.
    """
    text = template or f"table {default}"
    if text == "json":
        text = "{{json .}}"
    if text == "table":
        text = f"table {default}"
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    is_table = text.startswith("table ")
    parsed = Template(text.removeprefix("table ").strip() if is_table else text)
    lines = [parsed.render(row) for row in rows]
    if is_table:
        return table([line.split("\t") for line in [parsed.render(headers), *lines]])
    return "".join(f"{line}\n" for line in lines)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as docker's: as wide as the widest cell and three spaces, and at least ten; the last one as it is."""
    widths = [max(10, *(len(cell) + 3 for cell in column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    return "".join("".join(map(str.ljust, row, widths)) + "\n" for row in rows)
