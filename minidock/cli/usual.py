"""Read the usual command line without click, from the same table as click does (`usage.py`, `commands.py`).

Whatever is not plainly right is not understood here at all: help, `--`, a value that begins with `-`, a flag that needs
to be checked, a word too many. Then click has its say, from the first word on, and the errors and the help are its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from minidock.cli import commands
from minidock.cli.usage import Argument, Command, Kind, Option

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any


class UnusualError(Exception):
    """Something that click has to look at."""


def read(words: list[str]) -> Callable[[], int] | None:
    """What the command line `words` asks for, to be called for its exit code; None if that is for click to say."""
    try:
        root, rest = _read_root(words)
        command, rest = _find(rest)
        values = read_parameters(command, rest)
    except UnusualError:
        return None
    return lambda: _call(command, values, root)


def _call(command: Command, values: dict[str, Any], root: str | None) -> int:
    paths: list[Any] = []
    if command.needs_paths:
        from minidock.engine import state_paths

        paths = [state_paths.choose(root)]
    result = command.function(*paths, **values)
    return result if isinstance(result, int) else 0


def _read_root(words: list[str]) -> tuple[str | None, list[str]]:
    (name,) = commands.ROOT.words
    if words[:1] == [name] and len(words) > 1:
        return _value(commands.ROOT, words[1]), words[2:]
    if words and words[0].startswith(f"{name}="):
        return words[0].partition("=")[2], words[1:]
    return None, words


def _find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that the first word names, or the first two, and the words behind that."""
    table = commands.COMMANDS
    if words and words[0] in commands.NOUNS:
        table, words = commands.NOUNS[words[0]][0], words[1:]
    if not words or words[0] not in table:
        raise UnusualError
    return commands.load(table[words[0]]), words[1:]


def read_parameters(command: Command, words: list[str]) -> dict[str, Any]:
    """The values of all parameters of the command, by name. Raises `UnusualError`."""
    options = [one for one in command.parameters if isinstance(one, Option)]
    by_word = {word: (option, value) for option in options for word, value in spellings(option)}
    values = {name_of(option): _default(option) for option in options}
    bare: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            raise UnusualError
        if len(word) < 2 or word[0] != "-":
            bare.append(word)
            if not command.settings.get("allow_interspersed_args", True):
                bare += rest
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            _take(by_word, name, value if equals else None, rest, values)
        else:
            _take_letters(by_word, word, rest, values)
    for option in options:
        if not option.attributes.get("expose_value", True):
            del values[name_of(option)]
    return values | _read_arguments(command, bare)


ByWord = dict[str, tuple[Option, bool | None]]


def _take_letters(by_word: ByWord, word: str, rest: Any, values: dict[str, Any]) -> None:
    """Some letters, each a switch; the last may have a value, in the same word or the next."""
    for at in range(1, len(word)):
        name, behind = f"-{word[at]}", word[at + 1 :]
        if name in by_word and by_word[name][1] is None and behind:
            if behind.startswith("="):
                raise UnusualError
            return _take(by_word, name, behind, rest, values)
        _take(by_word, name, None, rest, values)
    return None


def _take(by_word: ByWord, word: str, value: str | None, rest: Any, values: dict[str, Any]) -> None:
    """One flag; its value is behind it, or the next of `rest`."""
    if word not in by_word:
        raise UnusualError
    option, switch = by_word[word]
    if option.attributes.get("callback"):
        raise UnusualError
    name = name_of(option)
    if switch is not None:
        if value is not None:
            raise UnusualError
        values[name] = switch
        return
    text = _value(option, next(rest, "-") if value is None else value)
    values[name] = (*values[name], text) if option.attributes.get("multiple") else text


def _value(parameter: Option | Argument, text: str) -> Any:
    """A value of the parameter's type."""
    kind = parameter.attributes.get("type") or str
    if text.startswith("-") and isinstance(parameter, Option):
        raise UnusualError
    try:
        return kind.convert(text) if isinstance(kind, Kind) else kind(text)
    except ValueError:
        raise UnusualError from None


def _default(option: Option) -> Any:
    """What the option is if it is not given."""
    if os.environ.get(option.attributes.get("envvar", "")):
        raise UnusualError
    if option.attributes.get("multiple"):
        return option.attributes.get("default", ())
    return option.attributes.get("default", False if option.attributes.get("is_flag") else None)


def spellings(option: Option) -> list[tuple[str, bool | None]]:
    """How an option is written: ("--all", True) and ("--no-all", False) for a switch, ("--name", None) with a value."""
    found: list[tuple[str, bool | None]] = []
    for words in option.words:
        if words.startswith("-"):
            on, slash, off = words.partition("/")
            found.append((on, True if slash or option.attributes.get("is_flag") else None))
            found += [(off, False)] if slash else []
    if any(value is False for _, value in found):  # -q belongs to --quiet/--no-quiet
        return [(word, value is not False) for word, value in found]
    return found


def name_of(parameter: Option | Argument) -> str:
    """The name of a parameter's value: the one without dashes, or the first long one."""
    for word in parameter.words:
        if word.isidentifier():
            return word
    names = [word.partition("/")[0] for word in parameter.words]
    longest = next((name for name in names if name.startswith("--")), names[0])
    return longest.lstrip("-").replace("-", "_").lower()


def _read_arguments(command: Command, bare: list[str]) -> dict[str, Any]:
    """The words that are no flags: one for each argument, all others for the one that takes any number."""
    arguments = [one for one in command.parameters if isinstance(one, Argument)]
    values: dict[str, Any] = {}
    for place, argument in enumerate(arguments):
        if argument.attributes.get("nargs") == -1:
            last = len(bare) - (len(arguments) - place - 1)
            taken, bare = tuple(bare[: max(last, 0)]), bare[max(last, 0) :]
            if not taken and argument.attributes.get("required"):
                raise UnusualError
            values[name_of(argument)] = tuple(_value(argument, text) for text in taken)
        elif bare:
            values[name_of(argument)], bare = _value(argument, bare[0]), bare[1:]
        elif argument.attributes.get("required", "default" not in argument.attributes):
            raise UnusualError
        else:
            values[name_of(argument)] = argument.attributes.get("default")
    if bare:
        raise UnusualError
    return values
