"""`--format`: what commands print that list or show things, in the forms that docker's users type (`templates/`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minidock.cli.format.lexer import TemplateError
from minidock.cli.format.template import Template
from minidock.cli.format.template_values import Fields, Header
from minidock.errors import UsageError

# How docker begins when a template cannot be read, and when its data does not fit. `ps` has words of its own.
_FAILURES = ("template parsing error", "template parsing error")


def listing(
    template: str | None,
    rows: Sequence[Mapping[str, Any]],
    headers: Fields,
    default: str,
    failures: tuple[str, str] = _FAILURES,
) -> str:
    """What a command prints that lists things, one mapping each.

    `template` is --format's value: a template per line, `table` and a template with columns, `json`, or None for the
    table of the template `default`. `headers` are the columns' titles by field, and of the type that rows have in Go.
    Raises `UsageError` in docker's words, of which `failures` are the first.
    """
    text = f"table {default}" if template in (None, "", "table") else template or ""
    if text == "json":
        text = "{{json .}}"
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    is_table = text.startswith("table")
    parsed = parse(text.removeprefix("table").strip(" ") if is_table else text, failures[0])
    try:
        lines = [parsed.render(type(headers)(row)) for row in rows]
    except TemplateError as error:
        raise UsageError(f"{failures[1]}: {error}") from error
    if not is_table:
        return "".join(f"{line}\n" for line in lines)
    return table([line.split("\t") for line in (_title(parsed, headers), *lines)])


def check(template: str | None, headers: Fields, failures: tuple[str, str]) -> None:
    """Raise `UsageError` for a template that fits no row, tried with an empty one: there may be none."""
    if template:
        empty = {name: "" if isinstance(title, str) else lambda *_: "" for name, title in headers.items()}
        try:
            parse(template.replace("\\t", "\t").replace("\\n", "\n"), failures[0]).render(type(headers)(empty))
        except TemplateError as error:
            raise UsageError(f"{failures[1]}: {error}") from error


def parse(text: str, failure: str = _FAILURES[0], exit_code: int = 1) -> Template:
    """A template; `UsageError` if it cannot be read."""
    try:
        return Template(text)
    except TemplateError as error:
        raise UsageError(f"{failure}: {error}", exit_code=exit_code) from error


def _title(parsed: Template, headers: Fields) -> str:
    """The line of titles; empty where the template does with a value what cannot be done with a title."""
    texts = {name: Header(title) if isinstance(title, str) else title for name, title in headers.items()}
    try:
        return parsed.render(type(headers)(texts))
    except TemplateError:
        return ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as docker's: as wide as the widest cell and three spaces, and at least ten; the last one as it is."""
    count = max(map(len, rows))
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(10, *(len(cell) + 3 for cell in column)) for column in zip(*full, strict=True)]
    widths[-1] = 0
    return "".join("".join(map(str.ljust, row, widths)) + "\n" for row in full)
