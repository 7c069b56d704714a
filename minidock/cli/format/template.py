"""Go's templates, of which docker's --format is one (pkg.go.dev/text/template): parsed once into functions.

{{.Config.Image}}  {{json .State}}  {{index .Config.Labels "name"}}         fields and functions
{{.Name | printf "%.8s"}}  {{(index .Mounts 0).Source}}                     pipelines
{{range $name, $network := .NetworkSettings.Networks}}...{{else}}...{{end}} once for each; {{break}}, {{continue}}
{{if eq .Os "linux"}}...{{else if ...}}...{{end}}  {{with .X}}...{{end}}    choices
{{$x := .Name}}  {{$x = "y"}}  {{/* nothing */}}  {{- trims -}}             variables, comments, white space
{{define "name"}}...{{end}}  {{template "name" .X}}  {{block "name" .X}}...{{end}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minidock.cli.format.expressions import Expressions, Operand, State, emit, literal
from minidock.cli.format.lexer import TemplateError, pieces
from minidock.cli.format.template_values import Nil, shown

Step = Callable[[State, Any], None]


class Template:
    """A parsed template. Raises `TemplateError` if it cannot be parsed, or what it says not be done with the data."""

    def __init__(self, text: str) -> None:
        self._body = _Parser(text).parse()

    def render(self, data: Any) -> str:
        """The text for one thing (`.` in the template): a mapping with the fields' names."""
        state = State(data)
        self._body(state, data)
        return "".join(state.out)


class _Break(Exception):
    """{{break}}, on its way out to its {{range}}."""


class _Continue(Exception):
    """{{continue}}"""


class _Parser:
    """The structure of a template: what is inside of what."""

    def __init__(self, text: str) -> None:
        self._pieces = pieces(text)
        self._at = 0
        self._expressions = Expressions(text)
        self._templates: dict[str, Step] = {}
        self._loops = 0

    def parse(self) -> Step:
        """All of it."""
        body, ended_by = self._block()
        if ended_by:
            raise self._error(f"unexpected {{{{{ended_by}}}}}")
        return body

    def _error(self, message: str) -> TemplateError:
        return self._expressions.error(message)

    def _block(self) -> tuple[Step, str]:
        """Everything up to an {{end}}, an {{else}}, or the end of the text (""); and which of them it was."""
        steps: list[Step] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if piece.tokens is None:
                steps.append(_plain(piece.text))
                continue
            self._expressions.tokens, self._expressions.begin = list(piece.tokens), piece.at
            word = piece.tokens[0].text if piece.tokens else ""
            if word in ("end", "else"):
                self._expressions.tokens.pop(0)
                return _together(steps), word
            steps.append(self._action(word))
        return _together(steps), ""

    def _action(self, word: str) -> Step:
        if word in ("if", "with", "range"):
            self._expressions.tokens.pop(0)
            return self._scoped(word)
        if word in ("break", "continue"):
            if not self._loops:
                raise self._error(f"{{{{{word}}}}} outside {{{{range}}}}")
            return _jump(_Break if word == "break" else _Continue)
        if word in ("define", "block", "template"):
            self._expressions.tokens.pop(0)
            return self._named(word)
        operand = self._expressions.pipeline("command")
        if operand.kind == "declaration":
            return operand.value  # which writes nothing
        return lambda state, dot: emit(state, operand.value(state, dot))

    def _scoped(self, word: str) -> Step:
        """A control structure. The variables that are declared in it are unknown outside."""
        known = len(self._expressions.variables)
        step = self._control(word)
        del self._expressions.variables[known:]

        def run(state: State, dot: Any) -> None:
            known = len(state.variables)
            try:
                step(state, dot)
            finally:
                del state.variables[known:]

        return run

    def _control(self, word: str) -> Step:
        names = self._expressions.range_variables() if word == "range" else []
        operand = self._expressions.pipeline(word)
        self._expressions.variables += names
        self._loops += word == "range"
        then, ended_by = self._block()
        self._loops -= word == "range"
        otherwise = self._otherwise(word) if ended_by == "else" else _together([])
        if not ended_by:
            raise self._error("unexpected EOF")
        if word == "range":
            return self._loop(operand, names, then, otherwise)

        def choose(state: State, dot: Any) -> None:
            found = operand.value(state, dot)
            if found:
                then(state, found if word == "with" else dot)
            else:
                otherwise(state, dot)

        return choose

    def _otherwise(self, word: str) -> Step:
        """After {{else}}; {{else if X}} and {{else with X}} end where the first one ends."""
        tokens = self._expressions.tokens
        if tokens and tokens[0].text in ("if", "with") and word != "range":
            return self._control(tokens.pop(0).text)
        step, ended_by = self._block()
        if ended_by != "end":
            raise self._error("expected end; found {{else}}" if ended_by else "unexpected EOF")
        return step

    def _loop(self, operand: Operand, names: list[str], then: Step, otherwise: Step) -> Step:
        def run(state: State, dot: Any) -> None:
            pairs = self._pairs(operand, operand.value(state, dot))
            known, is_empty = len(state.variables), True
            for key, value in pairs:
                is_empty = False
                del state.variables[known:]
                state.variables += zip(names, (key, value) if len(names) == 2 else (value,), strict=False)
                try:
                    then(state, value)
                except _Continue:
                    continue
                except _Break:
                    break
            del state.variables[known:]
            if is_empty:
                otherwise(state, dot)

        return run

    def _pairs(self, operand: Operand, found: Any) -> Iterable[tuple[Any, Any]]:
        """What to go through: a map in the order of its keys, as Go does."""
        if isinstance(found, Mapping):
            return sorted(found.items())
        if isinstance(found, int) and not isinstance(found, bool):
            return [(number, number) for number in range(found)]
        if found is None or isinstance(found, (list, tuple, Nil)):
            return enumerate(found or [])
        raise self._expressions.failure(operand, f"range can't iterate over {shown(found)}")

    def _named(self, word: str) -> Step:
        """{{define "x"}}, {{template "x" .}}, and {{block "x" .}}, which is both."""
        expressions = self._expressions
        if not expressions.tokens or expressions.tokens[0].kind != "string":
            raise self._error(f"missing name in {word} clause")
        token = expressions.tokens.pop(0)
        name = str(literal(token.text)) if token.text[0] == '"' else token.text[1:-1]
        place = Operand("", lambda _, dot: dot, expressions.begin, token.at + len(token.text) + 2, token.at)
        operand = expressions.pipeline(word) if expressions.tokens else None
        if word != "template":
            known, expressions.variables = expressions.variables, ["$"]
            body, ended_by = self._block()
            expressions.variables = known
            if ended_by != "end":
                raise self._error("unexpected EOF")
            self._templates[name] = body
            if word == "define":
                return _together([])

        def call(state: State, dot: Any) -> None:
            if name not in self._templates:
                raise expressions.failure(place, f'template "{name}" not defined')
            data = operand.value(state, dot) if operand else None
            inner = State(data)
            self._templates[name](inner, data)
            state.out += inner.out

        return call


def _plain(text: str) -> Step:
    return lambda state, _: state.out.append(text)


def _together(steps: list[Step]) -> Step:
    def run(state: State, dot: Any) -> None:
        for step in steps:
            step(state, dot)

    return run


def _jump(kind: type[Exception]) -> Step:
    def jump(_: State, __: Any) -> None:
        raise kind

    return jump
