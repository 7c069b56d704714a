"""`minidock events`: show what happens to containers, images, networks and volumes, as it happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from minidock import state
from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.format.template_values import Fields, Map
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

Event = dict[str, Any]


@usage.command(context_settings=HELP)
@usage.option("-f", "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="type, event, container, ...")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, or 'json'.")
@usage.option("--since", metavar="TIME", help="From then on: 2026-01-31T12:00:00Z, or 10m ago.")
@usage.option("--until", metavar="TIME", help="Up to then.")
@usage.pass_paths
def events(paths: Paths, filters: tuple[str, ...], template: str | None, since: str | None, until: str | None) -> None:
    """Show events as they happen, and with --since those that have happened."""

    from minidock.cli import times
    from minidock.engine.events import event_reader

    form = _form(template) if template else _line
    wanted = event_reader.parse(filters)
    first = times.moment(since, "since") if since else None
    last = times.moment(until, "until") if until else None
    if first is not None and last is not None and first > last:
        begin, end = (moment // 1_000_000_000 for moment in (first, last))
        raise UsageError(f"`since` time ({begin}) cannot be after `until` time ({end})")
    state.directory(paths.root)
    for event in event_reader.read(paths.root, first, last):
        if event_reader.passes(event, wanted):
            print(form(event))
            sys.stdout.flush()


def _form(template: str) -> Callable[[Event], str]:
    """What makes a text of an event. A template is tried first, with an event that says nothing, as docker does."""
    from minidock.cli.format.lexer import TemplateError
    from minidock.cli.format.listing import parse
    from minidock.cli.inspect_output import EXIT_TEMPLATE

    failure = "Error parsing format"
    parsed = parse("{{json .}}" if template == "json" else template, failure, EXIT_TEMPLATE)

    def render(event: Event) -> str:
        try:
            return parsed.render(_message(event))
        except TemplateError as error:
            raise UsageError(f"{failure}: {error}", exit_code=EXIT_TEMPLATE) from error

    render({"type": "", "action": "", "id": "", "attributes": {}, "timeNano": 0})
    return render


def _line(event: Event) -> str:
    """An event as docker prints it (cli/command/system/events.go)."""
    attributes = ", ".join(f"{name}={value}" for name, value in sorted(event["attributes"].items()))
    text = f"{_moment(event['timeNano'])} {event['type']} {event['action']} {event['id']}"
    return f"{text} ({attributes})" if attributes else text


def _moment(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, in the local zone."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", local)
        + f".{rest:09}"
        + ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")
    )


class _Attributes(Map):
    missing = ""


class _Message(Fields):
    """An event's fields as in Go, whose names in JSON are others (moby: api/types/events)."""

    go_type = "*events.Message"

    def as_json(self) -> Any:
        """The first three are for clients of long ago, and stand only where those knew them."""
        old = {"status": self["Status"], "id": self["ID"], "from": self["From"]}
        return {
            **{name: value for name, value in old.items() if value},
            **{name: self[name] for name in ("Type", "Action", "Actor")},
            "scope": self["Scope"], "time": self["Time"], "timeNano": self["TimeNano"],
        }  # fmt: skip


def _message(event: Event) -> _Message:
    has_old = event["type"] in ("container", "image")
    return _Message({
        "Status": event["action"] if has_old else "",
        "ID": event["id"] if has_old else "",
        "From": event["attributes"].get("image", "") if event["type"] == "container" else "",
        "Type": event["type"],
        "Action": event["action"],
        "Actor": {"ID": event["id"], "Attributes": _Attributes(sorted(event["attributes"].items()))},
        "Scope": "local",
        "Time": event["timeNano"] // 1_000_000_000,
        "TimeNano": event["timeNano"],
    })  # fmt: skip
