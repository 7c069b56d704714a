"""What click has against a command line, in the words and with the exit code of docker's client (spf13/cobra, pflag).

A flag that cannot be read ends it with 125, a wrong number of arguments, or a command that there is not, with 1.
"""

from __future__ import annotations

import math
import re

import click

from minidock.cli.flag_spelling import shown
from minidock.errors import EXIT_ENGINE


def complaint(error: click.ClickException) -> tuple[str, int]:
    """The line for the user, and the exit code."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "minidock"
    words, code = _words(error, context, path)
    return f"{words.rstrip('.')} (see '{path} --help')", code


def _words(error: click.ClickException, context: click.Context | None, path: str) -> tuple[str, int]:
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        return _unknown(error.option_name), EXIT_ENGINE
    if isinstance(error, click.BadOptionUsage) and "requires an argument" in message:
        return f"flag needs an argument: {_given(error.option_name)}", EXIT_ENGINE
    if context and (isinstance(error, click.MissingParameter) or message.startswith("Got unexpected extra argument")):
        return f"'{path}' {_arguments(context.command)}", 1
    if match := re.match("No such command '(.*)'", message):
        return f"unknown command: {path} {match[1]}", 1
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Option):
        return _bad_value(error.param, error.message), EXIT_ENGINE
    return message, EXIT_ENGINE


def _unknown(name: str) -> str:
    return f"unknown flag: {name}" if name.startswith("--") else f"unknown shorthand flag: '{name[1:2]}' in {name}"


def _given(name: str) -> str:
    return name if name.startswith("--") else f"'{name[1:2]}' in {name}"


def _arguments(command: click.Command) -> str:
    """How many arguments a command has (docker/cli: cli/required.go)."""
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    least = sum(1 for argument in arguments if argument.required)
    most = math.inf if any(argument.nargs < 0 for argument in arguments) else len(arguments)
    if most == 0:
        return "accepts no arguments"
    if least == most:
        return f"requires {_counted(least)}"
    if least == 0:
        return f"requires at most {_counted(int(most))}"
    if most == math.inf:
        return f"requires at least {_counted(least)}"
    return f"requires at least {least} and at most {_counted(int(most))}"


def _counted(count: int) -> str:
    return f"{count} argument{'s' * (count != 1)}"


def _bad_value(option: click.Option, why: str) -> str:
    """A value that is not of the flag's type; Go's words for numbers."""
    value = match[1] if (match := re.search("'(.*)'", why)) else ""
    if "valid integer" in why:
        why = f'strconv.ParseInt: parsing "{value}": invalid syntax'
    elif "valid float" in why:
        why = f"failed to parse {value} as a rational number"
    elif "'" not in why:
        return f'invalid argument for "{shown(option)}" flag: {why}'
    return f'invalid argument "{value}" for "{shown(option)}" flag: {why}'
