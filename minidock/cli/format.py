"""`--format`: what commands print that list or show things, in the forms that docker's users type (`templates/`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minidock.cli.templates.lexer import TemplateError
from minidock.cli.templates.template import Template
from minidock.cli.templates.values import Header
from minidock.errors import UsageError


def listing(template: str | None, rows: Sequence[Mapping[str, Any]], headers: Mapping[str, Any], default: str) -> str:
    """What a command prints that lists things, one mapping each.

    `template` is --format's value: a template per line, `table` and a template with columns, `json`, or None for the
    table of the template `default`. `headers` are the columns' titles by field. Raises `UsageError` in docker's words.
    """
    text = f"table {default}" if template in (None, "", "table") else template or ""
    if text == "json":
        text = "{{json .}}"
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    is_table = text.startswith("table ")
    parsed = parse(text.removeprefix("table ").strip() if is_table else text)
    try:
        lines = [parsed.render(row) for row in rows]
        if is_table:
            lines.insert(0, parsed.render(_titles(headers)))
    except TemplateError as error:
        raise UsageError(f"failed to execute template: {error}") from error
    return table([line.split("\t") for line in lines]) if is_table else "".join(f"{line}\n" for line in lines)


def parse(text: str) -> Template:
    """A template; `UsageError`, as docker's commands that list things have it, if it cannot be read."""
    try:
        return Template(text)
    except TemplateError as error:
        raise UsageError(f"failed to parse template: {error}") from error


def _titles(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = {name: Header(title) if isinstance(title, str) else title for name, title in headers.items()}
    return type(headers)(texts)  # type: ignore[call-arg]  # a dict, or one of its subclasses


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as docker's: as wide as the widest cell and three spaces, and at least ten; the last one as it is."""
    count = max(map(len, rows))
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(10, *(len(cell) + 3 for cell in column)) for column in zip(*full, strict=True)]
    widths[-1] = 0
    return "".join("".join(map(str.ljust, row, widths)) + "\n" for row in full)
