"""`minidock search`: search Docker Hub, or another registry, for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.template_values import Fields
from minidock.errors import UsageError

if TYPE_CHECKING:
    from minidock.image.registry.search_repositories import Found

_DESCRIPTION_WIDTH = 45


class _Found(Fields):
    go_type = "*search.searchContext"


_HEADERS = _Found({
    "Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
})  # fmt: skip
_COLUMNS = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"


@usage.command(context_settings=HELP)
@usage.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="is-official=true|false, or stars=NUMBER.",
)
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.option("--limit", type=usage.Range(1, 100), default=25, help="At most so many [25].")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten descriptions.")
@usage.argument("term")
def search(filters: tuple[str, ...], template: str | None, limit: int, no_trunc: bool, term: str) -> None:
    """Search Docker Hub for images, or another registry: registry.lan:5000/TERM."""
    from minidock.cli.format import listing
    from minidock.engine.images import search

    wanted = _wanted(filters)
    rows = []
    for found in search.search_registry(term, limit):
        if found.stars >= int(wanted["stars"]) and wanted["is-official"] in (
            "",
            str(found.is_official).lower(),
        ):
            rows.append(_row(found, no_trunc))
    echo(listing.listing(template, rows, _HEADERS, _COLUMNS), nl=False)


def _wanted(filters: tuple[str, ...]) -> dict[str, str]:
    wanted = {"stars": "0", "is-official": ""}
    for text in filters:
        key, _, value = text.partition("=")
        if key not in wanted:
            raise UsageError(f"invalid filter '{key}'")
        if value not in ("true", "false") if key == "is-official" else not value.isdecimal():
            raise UsageError(f"invalid filter '{text}'")
        wanted[key] = value
    return wanted


def _row(found: Found, no_trunc: bool) -> dict[str, str]:
    text = found.description
    if not no_trunc and len(text) > _DESCRIPTION_WIDTH:
        text = f"{text[: _DESCRIPTION_WIDTH - 1]}…"
    official = "[OK]" if found.is_official else ""
    return {"Name": found.name, "Description": text, "StarCount": str(found.stars), "IsOfficial": official,
            "IsAutomated": ""}  # fmt: skip
