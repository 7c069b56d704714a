"""Print a single thing in the form that --format asks for."""

from __future__ import annotations

from minidock.cli import usage

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

    from minidock.cli.format.template_values import Fields

FORMAT = usage.option("-f", "--format", "template", metavar="TEMPLATE", help="A Go template, or 'json'.")


def formatted(template: str, kind: type[Fields], found: dict[str, Any]) -> str:
    from minidock.cli.format.listing import parse
    from minidock.cli.format.template_values import typed
    from minidock.cli.inspect_output import EXIT_TEMPLATE

    return parse("{{json .}}" if template == "json" else template, exit_code=EXIT_TEMPLATE).render(kind(typed(found)))
