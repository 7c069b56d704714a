"""`--filter NAME=VALUE` of containers and events, in docker's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from minidock.errors import UsageError

Filters = dict[str, list[str]]


def parse(texts: Iterable[str], known: Collection[str]) -> Filters:
    """The filters' values by name; `UsageError` for one that is not `known`: docker knows it no more."""
    filters: Filters = {}
    for key, value in pairs(texts):
        name = key.strip().lower()
        if name not in known:
            raise UsageError(f"invalid filter '{name}'")
        filters.setdefault(name, []).append(value.strip())
    return filters


def pairs(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each filter; an empty one asks for nothing."""
    for text in filter(None, texts):
        name, equals, value = text.partition("=")
        if not equals:
            why = "bad format of filter (expected name=value)"
            raise UsageError(f'invalid argument "{text}" for "-f, --filter" flag: {why}', exit_code=125)
        yield name, value
