"""What stands in an action of a template, made into a function of `.` and the variables: fields, constants, calls,
pipelines (Go: text/template/parse/parse.go and text/template/exec.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minidock.cli.format.functions import FUNCTIONS, SHORT_CIRCUIT
from minidock.cli.format.lexer import TemplateError, Token, syntax_error
from minidock.cli.format.template_values import EMPTY, Fields, Map, Nil, go_type, shown, typed
from minidock.named_tuple import NamedTuple


class State:
    """One rendering: what is written so far, and the variables, the innermost last."""

    def __init__(self, data: Any) -> None:
        self.out: list[str] = []
        self.variables: list[tuple[str, Any]] = [("$", data)]


Value = Callable[[State, Any], Any]


class Operand(NamedTuple):
    """Something with a value. It stands in the template from `at` to `end`; for errors Go has it at `place`."""

    kind: str
    value: Value
    at: int
    end: int
    place: int


class Expressions:
    """Reads the tokens of one action after another. `variables`: those that are declared so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.begin = 0  # of the present action
        self.variables = ["$"]

    def error(self, message: str) -> TemplateError:
        """The present action is no proper one."""
        return syntax_error(self.text, self.tokens[0].at if self.tokens else self.begin, message)

    def failure(self, operand: Operand, message: str) -> TemplateError:
        """Something that cannot be done with the data at hand."""
        line = self.text.count("\n", 0, operand.place) + 1
        column = operand.place - (self.text.rfind("\n", 0, operand.place) + 1)
        return TemplateError(f':{line}:{column}: executing "" at <{self.text[operand.at : operand.end]}>: {message}')

    def pipeline(self, context: str) -> Operand:
        """Commands, each one's value handed to the next as its last argument; perhaps a declaration before them."""
        name, is_new = self._declaration()
        value: Operand | None = None
        while self.tokens and self.tokens[0].text != ")":
            if self.tokens[0].text == "|" and value is None:
                raise self.error('unexpected "|" in command')
            value = self._command(value)
            if self.tokens and self.tokens[0].text == "|":
                self.tokens.pop(0)
        if value is None:
            raise self.error(f"missing value for {context}")
        return self._declared(name, value, is_new=is_new) if name else value

    def range_variables(self) -> list[str]:
        """`$value :=` or `$key, $value :=`, taken from the tokens."""
        texts = [token.text for token in self.tokens[:4]]
        for count in (1, 3):
            if texts[count : count + 1] == [":="] and texts[1:count:2] == [","] * (count // 2):
                del self.tokens[: count + 1]
                return texts[:count:2]
        return []

    def _declaration(self) -> tuple[str, bool]:
        """The name in `$x :=` or `$x =`, and whether it is new."""
        if len(self.tokens) < 2 or self.tokens[0].kind != "variable" or self.tokens[1].text not in (":=", "="):
            return "", False
        name, sign = self.tokens[0].text, self.tokens[1].text
        if sign == "=" and name not in self.variables:
            raise self.error(f'undefined variable "{name}"')
        del self.tokens[:2]
        return name, sign == ":="

    def _declared(self, name: str, value: Operand, *, is_new: bool) -> Operand:
        def declare(state: State, dot: Any) -> Any:
            found = value.value(state, dot)
            if is_new:
                state.variables.append((name, found))
            else:
                number = max(n for n, (known, _) in enumerate(state.variables) if known == name)
                state.variables[number] = (name, found)
            return found

        if is_new:
            self.variables.append(name)
        return value._replace(kind="declaration", value=declare)

    def _command(self, last: Operand | None) -> Operand:
        """One function or value with its arguments, of which `last` is the value of the command before."""
        operands: list[Operand] = []
        while self.tokens and self.tokens[0].text not in ("|", ")"):
            operands.append(self._operand())
            if self.tokens and self.tokens[0].at == operands[-1].end and self.tokens[0].text not in ("|", ")"):
                following = self.tokens[0].text
                raise self.error(f"unexpected {'<.>' if following == '.' else _quoted(following)} in operand")
        first = operands[0]
        whole = first._replace(end=operands[-1].end, kind="command")
        arguments = operands[1:] + ([last] if last else [])
        if first.kind in ("function", "short"):
            return whole._replace(value=self._call(whole, self._words(first), arguments))
        if first.kind == "nil":
            return whole._replace(value=self._failing(whole, "nil is not a command"))
        if first.kind == "field":
            return whole._replace(value=self._method(first, arguments))
        if arguments:
            words = self._words(first)
            return whole._replace(value=self._failing(first, f"can't give argument to non-function {words}"))
        return first

    def _words(self, operand: Operand) -> str:
        return self.text[operand.at : operand.end]

    def _failing(self, operand: Operand, message: str) -> Value:
        def fail(_: State, __: Any) -> Any:
            raise self.failure(operand, message)

        return fail

    def _operand(self) -> Operand:
        """A constant, a name or something in parentheses, and the fields behind it."""
        token = self.tokens.pop(0)
        end = token.at + len(token.text)
        if token.text == "(":
            inner = self.pipeline("parenthesized pipeline")
            end = self.tokens.pop(0).at + 1
            base = inner._replace(at=token.at, end=end, kind="value")
        else:
            kind, value = self._term(token)
            base = Operand(kind, value, token.at, end, token.at)
        names, place = ([token.text[1:]], token.at) if token.kind == "field" else ([], -1)
        while self.tokens and self.tokens[0].at == end and self.tokens[0].kind == "field":
            following = self.tokens.pop(0)
            names.append(following.text[1:])
            place = following.at if place in (-1, token.at) and len(names) <= 2 else place
            end = following.at + len(following.text)
        if not names:
            return base
        start = (lambda _, dot: dot) if token.kind == "field" else base.value
        whole = base._replace(kind="field", end=end, place=place)
        return whole._replace(value=self._fields(whole, start, names))

    def _term(self, token: Token) -> tuple[str, Value]:
        kind, text = token.kind, token.text
        if kind in ("string", "char", "number") or text in ("true", "false", "nil"):
            constant = _constant(token)
            return "nil" if text == "nil" else "value", lambda _, __: constant
        if kind == "variable":
            if text not in self.variables:
                raise syntax_error(self.text, token.at, f'undefined variable "{text}"')
            return "value", lambda state, _: next(v for name, v in reversed(state.variables) if name == text)
        if kind == "field" or text == ".":
            return "value", lambda _, dot: dot
        if kind == "word":
            if text in FUNCTIONS:
                return "function", lambda state, dot: FUNCTIONS[text].call()
            if text in SHORT_CIRCUIT:
                return "short", lambda _, __: None
            raise syntax_error(self.text, token.at, f'function "{text}" not defined')
        raise syntax_error(self.text, token.at, f"unexpected <{text}> in operand")

    def _fields(self, operand: Operand, start: Value, names: list[str]) -> Value:
        def follow(state: State, dot: Any) -> Any:
            found = start(state, dot)
            for number, name in enumerate(names):
                if isinstance(found, Nil):  # docker tries again with the JSON, where that is left out
                    raise self.failure(operand, f'map has no entry for key "{names[number - 1]}"')
                found = self._field(operand, found, name)
            return found

        return follow

    def _field(self, operand: Operand, found: Any, name: str) -> Any:
        if isinstance(found, Mapping):
            if name in found:
                return found[name]
            if isinstance(found, Map):
                return None
            if name in EMPTY and EMPTY[name][0] in found:
                return typed(EMPTY[name][1], name)
            if name == "ID" and "Id" in found:  # the field's name in Go
                return found["Id"]
            if isinstance(found, Fields):
                raise self.failure(operand, f"can't evaluate field {name} in type {found.go_type}")
            raise self.failure(operand, f'map has no entry for key "{name}"')
        if found is None:
            return None
        raise self.failure(operand, f"can't evaluate field {name} in type interface {{}}")

    def _method(self, field: Operand, arguments: list[Operand]) -> Value:
        """A field, which may be a function."""

        def call(state: State, dot: Any) -> Any:
            found = field.value(state, dot)
            if callable(found):
                return found(*(argument.value(state, dot) for argument in arguments))
            if arguments:
                name = self._words(field).rpartition(".")[2]
                raise self.failure(field, f"{name} is not a method but has arguments")
            return found

        return call

    def _call(self, whole: Operand, name: str, arguments: list[Operand]) -> Value:
        if name in SHORT_CIRCUIT:
            return self._short_circuit(whole, name, arguments)
        function = FUNCTIONS[name]
        wanted = len(function.kinds)

        def call(state: State, dot: Any) -> Any:
            if len(arguments) < wanted or (len(arguments) > wanted and not function.more):
                at_least = "at least " if function.more else ""
                raise self.failure(whole, f"wrong number of args for {name}: want {at_least}{wanted} "
                                          f"got {len(arguments)}")  # fmt: skip
            values = [argument.value(state, dot) for argument in arguments]
            for kind, argument, value in zip(function.kinds, arguments, values, strict=False):
                self._check(kind, argument, value)
            try:
                return function.call(*values)
            except ValueError as error:
                raise self.failure(whole, f"error calling {name}: {error}") from error

        return call

    def _check(self, kind: type | None, argument: Operand, value: Any) -> None:
        if kind is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return
        if kind is list and isinstance(value, Nil):
            return
        expected = {str: "string", int: "int", list: "[]string"}[kind]
        if argument.kind == "value":
            raise self.failure(argument, f"expected {expected}; found {self._words(argument)}")
        raise self.failure(argument, f"wrong type for value; expected {expected}; got {go_type(value)}")

    def _short_circuit(self, whole: Operand, name: str, arguments: list[Operand]) -> Value:
        def decide(state: State, dot: Any) -> Any:
            if not arguments:
                raise self.failure(whole, f"wrong number of args for {name}: want at least 1 got 0")
            value: Any = None
            for argument in arguments:
                value = argument.value(state, dot)
                if bool(value) == SHORT_CIRCUIT[name]:
                    break
            return value

        return decide


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> Any:
    """The value of a quoted text or letter: Go's escapes are Python's."""
    import ast  # here, as few templates have one

    return ast.literal_eval(text)


def _constant(token: Token) -> Any:
    text = token.text
    if token.kind == "word":
        return {"true": True, "false": False, "nil": None}[text]
    if token.kind == "string":
        return text[1:-1] if text[0] == "`" else literal(text)
    if token.kind == "char":
        return ord(literal(text))
    digits = text.replace("_", "")
    if "x" in digits.lower():
        return int(digits, 16)
    number = float(digits)
    return int(number) if number.is_integer() else number


def emit(state: State, value: Any) -> None:
    """Write a value."""
    state.out.append(shown(value))
