"""Read the log of events from one time to another, as it grows; with docker's filters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from minidock.engine import filters
from minidock.engine.events import event_log
from minidock.engine.filters import Filters
from minidock.engine.logs.log_files import LogFile

_PERIOD = 10.0  # seconds
_KNOWN = ("config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
          "service", "type", "volume")  # fmt: skip
# Their actions have a command or a result behind a colon.
_OPEN_ACTIONS = {"health_status", "exec_create", "exec_start"}

_SHAPE = {"type": str, "action": str, "id": str, "attributes": dict, "timeNano": int}
Event = dict[str, Any]  # type, action, id, attributes, timeNano


def read(root: str, since: int | None, until: int | None) -> Iterator[Event]:
    """Events from `since` on (nanoseconds since 1970; None: only new ones), up to `until`, or for ever."""
    from minidock.linux.inotify import Watch

    with Watch(root) as watch:
        if since is None:
            file, since = _open(event_log.path(root)), 0
            if file:
                file.skip_to_last(0)
        else:
            if older := _open(f"{event_log.path(root)}.1"):
                yield from _between(older, since, until)
                older.close()
            file = _open(event_log.path(root))
        while until is None or time.time_ns() < until:
            if file is None or not file.is_at(event_log.path(root)):
                if file:
                    yield from _between(file, since, until)  # what was still written to it before it was renamed
                    file.close()
                file = _open(event_log.path(root))
            if file:
                yield from _between(file, since, until)
            watch.wait(_PERIOD if until is None else min(_PERIOD, max(0.0, (until - time.time_ns()) / 1e9)))
        if file:
            yield from _between(file, since, until)
            file.close()


def _open(path: str) -> LogFile | None:
    with suppress(FileNotFoundError):
        return LogFile(path, shape=_SHAPE)
    return None


def _between(file: LogFile, since: int, until: int | None) -> Iterator[Event]:
    last = until or 1 << 63
    for block in file.records():
        yield from (event for event in block if since <= event["timeNano"] <= last)
        if block and block[0]["timeNano"] > last:
            return


def parse(texts: Iterable[str]) -> Filters:
    """`NAME=VALUE` filters by name; `UsageError` for one that docker does not know either."""
    return filters.parse(texts, _KNOWN)


def passes(event: Event, filters: Filters) -> bool:
    """Whether an event passes: filters of different kinds must all hold, of one kind each label or one of the others
    (moby: daemon/events/filter.go).
    """
    return all(_TESTS.get(name, _by_nothing)(event, values) for name, values in filters.items())


def _by_type(event: Event, values: list[str]) -> bool:
    return event["type"] in values


def _by_action(event: Event, values: list[str]) -> bool:
    if _OPEN_ACTIONS & set(values):
        return any(event["action"].startswith(value) for value in values)
    return event["action"] in values


def _by_label(event: Event, values: list[str]) -> bool:
    def has(wanted: str) -> bool:
        name, equals, value = wanted.partition("=")
        attributes = event["attributes"]
        return name in attributes and (not equals or attributes[name] == value)

    return all(map(has, values))


def _by_image(event: Event, values: list[str]) -> bool:
    name = event["attributes"].get("name" if event["type"] == "image" else "image", "")
    known = {event["id"], name, _without_tag(event["id"]), _without_tag(name)}
    return not known.isdisjoint(values)


def _without_tag(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


def _by_thing(kind: str) -> Callable[[Event, list[str]], bool]:
    """By the start of the id or name of the thing that something happened to."""

    def is_one(event: Event, values: list[str]) -> bool:
        name = event["attributes"].get("name", "")
        return event["type"] == kind and any(event["id"].startswith(v) or name.startswith(v) for v in values)

    return is_one


def _by_scope(_: Event, values: list[str]) -> bool:
    return "local" in values


def _by_nothing(_: Event, __: list[str]) -> bool:
    """Of things that there are none of here."""
    return False


_TESTS: dict[str, Callable[[Event, list[str]], bool]] = {
    "type": _by_type,
    "event": _by_action,
    "label": _by_label,
    "image": _by_image,
    "scope": _by_scope,
    **{kind: _by_thing(kind) for kind in ("container", "network", "volume")},
}
