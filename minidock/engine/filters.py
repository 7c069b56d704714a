"""`--filter NAME=VALUE` of containers and events, in docker's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from minidock.errors import UsageError

Filters = dict[str, list[str]]


def parse(texts: Iterable[str], known: Collection[str]) -> Filters:
    """The filters' values by name; `UsageError` for one that is not `known`: docker knows it no more."""
    filters: Filters = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f'invalid argument "{text}" for "-f, --filter" flag: bad format of filter (expected name=value)',
                exit_code=125,
            )
        name = name.strip().lower()
        if name not in known:
            raise UsageError(f"invalid filter '{name}'")
        filters.setdefault(name, []).append(value.strip())
    return filters
