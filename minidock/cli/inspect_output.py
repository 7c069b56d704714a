"""What all commands called inspect have in common: one JSON array, or a template for each thing; docker's errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from minidock.cli import usage
from minidock.cli.echo import echo
from minidock.errors import MinidockError, UsageError, message_of

FORMAT = usage.option("-f", "--format", "template", metavar="TEMPLATE", help="A Go template, or 'json'.")
EXIT_TEMPLATE = 64  # as docker has it, for a template that cannot be read


def show(names: Iterable[str], find: Callable[[str], dict[str, Any]], template: str | None) -> int:
    """Print what `find` gives for each name; returns the exit code.

    What is not there does not keep the others from being shown: it is told at the end. Raises `UsageError` for a
    template that cannot be parsed.
    """
    one = _form(template)
    shown: list[Any] = []
    failures: list[str] = []
    for name in names:
        try:
            shown.append(one(find(name)))
        except (MinidockError, OSError) as error:
            failures.append(message_of(error))
    if template in (None, ""):
        echo(json.dumps(shown, indent=4, ensure_ascii=False))
    elif template == "json":
        echo(json.dumps(shown, separators=(",", ":"), ensure_ascii=False))
    else:
        echo("".join(f"{text}\n" for text in shown) or "\n", nl=False)
    for failure in failures:
        echo(f"minidock: {failure}", err=True)
    return 1 if failures else 0


def _form(template: str | None) -> Callable[[dict[str, Any]], Any]:
    """What a found thing is made into: a text, or, without a template, itself."""
    if template in (None, "", "json"):
        return lambda found: found
    from minidock.cli.format.lexer import TemplateError
    from minidock.cli.format.listing import parse
    from minidock.cli.format.template_values import typed

    parsed = parse(str(template), exit_code=EXIT_TEMPLATE)

    def render(found: dict[str, Any]) -> str:
        try:
            return parsed.render(typed(found))
        except TemplateError as error:
            raise UsageError(f"template parsing error: {error}") from error

    return render
