"""How docker's users write flags, beside the ways that click knows: `-f=name=web`, `-it=false`, `--all=true`.

Docker's parser (github.com/spf13/pflag) takes "=" behind a short flag too, and a value for a switch.
"""

from __future__ import annotations

from collections.abc import Callable

import click

from minidock.errors import EXIT_ENGINE, UsageError

_BOOLEANS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}

Options = dict[str, click.Option]


def understood(command: click.Command, words: list[str]) -> list[str]:
    """A command's words as click wants them. What is not the command's own, behind -- or a program's, stays as it is.

    Raises `UsageError` for a switch that is neither true nor false.
    """
    options = {name: param for param in command.params if isinstance(param, click.Option)
               for name in (*param.opts, *param.secondary_opts)}  # fmt: skip
    is_interspersed = command.context_settings.get("allow_interspersed_args", command.allow_interspersed_args)
    result: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--" or (not _is_flag(word) and not is_interspersed):
            return [*result, word, *rest]
        if not _is_flag(word):
            result.append(word)
        else:
            result += (_long if word.startswith("--") else _short)(options, word, lambda: rest[:1] and [rest.pop(0)])
    return result


def shown(option: click.Option) -> str:
    """A flag as docker's help has it, such as "-m, --memory"; of several long names the longest is the present one."""
    short = [name for name in option.opts if not name.startswith("--")]
    return ", ".join([*short[:1], max(option.opts, key=len)])


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-")


def _long(options: Options, word: str, take_next: Callable[[], list[str]]) -> list[str]:
    name, equals, value = word.partition("=")
    option = options.get(name)
    if option is None:
        return [word]
    if option.is_flag:
        return _switch(option, name, value) if equals else [word]
    return [word] if equals else [word, *take_next()]


def _short(options: Options, word: str, take_next: Callable[[], list[str]]) -> list[str]:
    """One or more letters, of which the last may have a value."""
    for at in range(1, len(word)):
        option, behind = options.get(f"-{word[at]}"), word[at + 1 :]
        if option is None:
            return [word]
        if not option.is_flag:
            if behind.startswith("="):
                return [word[: at + 1], behind[1:]]
            return [word] if behind else [word, *take_next()]
        if behind.startswith("="):
            before = [word[:at]] if at > 1 else []
            return [*before, *_switch(option, f"-{word[at]}", behind[1:])]
    return [word]


def _switch(option: click.Option, name: str, value: str) -> list[str]:
    """A switch with a value: its name, the name of its opposite, or nothing where it is off anyway."""
    if value.lower() not in _BOOLEANS:
        why = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        raise UsageError(f'invalid argument "{value}" for "{shown(option)}" flag: {why}', exit_code=EXIT_ENGINE)
    return [name] if _BOOLEANS[value.lower()] else option.secondary_opts[:1]
