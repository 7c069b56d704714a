"""Commands, their flags and their arguments, as data: `option(...)` takes what `click.option(...)` takes.

This is the one table of what can be typed. click's commands are made from it (`Command.to_click`), and most command
lines, which ask for nothing unusual, are read with it alone (`usual.py`): to import click takes longer than most
commands themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

    import click

    Function = Callable[..., Any]
    Decorator = Callable[[Any], Any]


class Parameter:
    """An option or an argument: `words` and `attributes` are those of `click.option` or `click.argument`."""

    def __init__(self, words: tuple[str, ...], attributes: dict[str, Any]) -> None:
        self.words = words
        self.attributes = attributes

    def __call__(self, function: Function) -> Function:
        """Decorate a function that a command will be made of: the parameter of the first line is the first."""
        function.__dict__.setdefault("parameters", []).insert(0, self)
        return function

    def for_click(self) -> dict[str, Any]:
        """The attributes as click has them."""
        kind = self.attributes.get("type")
        return {**self.attributes, "type": kind.to_click()} if isinstance(kind, Kind) else self.attributes


class Option(Parameter):
    """A flag, with or without a value."""

    def to_click(self) -> Decorator:
        import click

        return click.option(*self.words, **self.for_click())


class Argument(Parameter):
    """A word that is no flag; `nargs=-1`: any number of them."""

    def to_click(self) -> Decorator:
        import click

        return click.argument(*self.words, **self.for_click())


def option(*words: str, **attributes: Any) -> Option:
    return Option(words, attributes)


def argument(*words: str, **attributes: Any) -> Argument:
    return Argument(words, attributes)


def with_parameters(parameters: list[Any]) -> Decorator:
    """Decorate a function with several parameters."""

    def decorate(function: Function) -> Function:
        for parameter in reversed(parameters):
            parameter(function)
        return function

    return decorate


class Command:
    """A command: what does it, and the parameters that were declared for that. `settings`: click's context_settings."""

    def __init__(self, name: str | None, function: Function, settings: dict[str, Any]) -> None:
        self.name = name
        self.function = function
        self.settings = settings
        self.parameters: list[Option | Argument] = function.__dict__.get("parameters", [])
        self.needs_paths: bool = function.__dict__.get("needs_paths", False)

    def to_click(self) -> click.Command:
        import click

        function = click.pass_obj(self.function) if self.needs_paths else self.function
        for parameter in reversed(self.parameters):
            function = parameter.to_click()(function)
        return click.command(self.name, context_settings=self.settings)(function)


def command(name: str | None = None, *, context_settings: dict[str, Any]) -> Callable[[Function], Command]:
    """Make a command of a function, as `click.command` does."""
    return lambda function: Command(name, function, context_settings)


def pass_paths(function: Function) -> Function:
    """Decorate a command's function that takes the `Paths` first, as `click.pass_obj` does."""
    function.__dict__["needs_paths"] = True
    return function


class Kind:
    """The type of a value that is no text, number or switch."""

    def convert(self, text: str) -> Any:
        """The value. Raises `ValueError`."""
        raise NotImplementedError

    def to_click(self) -> click.ParamType[Any]:
        raise NotImplementedError


class Choice(Kind):
    """One of a few words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def convert(self, text: str) -> str:
        return self.words[self.words.index(text)]

    def to_click(self) -> click.ParamType[Any]:
        import click

        return click.Choice(self.words)


class Range(Kind):
    """A whole number from `least` to `most`, either of which may be None."""

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self.least = least
        self.most = most

    def convert(self, text: str) -> int:
        number = int(text)
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            raise ValueError(text)
        return number

    def to_click(self) -> click.ParamType[Any]:
        import click

        return click.IntRange(self.least, self.most)
