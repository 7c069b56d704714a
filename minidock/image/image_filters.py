"""Filters: which images `images --filter` shows and `image prune --filter` removes (docker's reference: docker images).

Filters of different kinds must all hold. Of several of one kind each label must hold, and one of the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from minidock import durations
from minidock.errors import EXIT_ENGINE, UsageError
from minidock.image.created_time import NEVER, epoch_seconds
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image

Filters = dict[str, list[str]]

FOR_LISTS = ("before", "dangling", "label", "reference", "since", "until")
FOR_PRUNE = ("dangling", "label", "label!", "until")
_BOOLEANS = ("true", "1", "false", "0")


def parse(texts: Iterable[str], known: tuple[str, ...]) -> Filters:
    """`NAME=VALUE` filters by name; `UsageError` for one that is not `known`."""
    filters: Filters = {}
    for text in filter(None, texts):
        name, equals, value = text.partition("=")
        if not equals:
            why = "bad format of filter (expected name=value)"
            raise UsageError(f'invalid argument "{text}" for "-f, --filter" flag: {why}', exit_code=EXIT_ENGINE)
        if name not in known:
            raise UsageError(f"invalid filter {name!r}: there are {', '.join(known)}")
        filters.setdefault(name, []).append(value)
    return filters


def select(store: Store, filters: Filters) -> list[tuple[Image, list[Reference]]]:
    """The images of the store that match, newest first, with those of their names that match."""
    chosen = []
    oldest = max((epoch_seconds(store.resolve(text).created) for text in filters.get("since", ())), default=None)
    limits = [epoch_seconds(store.resolve(text).created) for text in filters.get("before", ())]
    newest = min([*limits, *map(moment, filters.get("until", ()))], default=None)
    for image, names in store.list():
        patterns = filters.get("reference")
        fitting = names if patterns is None else [n for n in names if any(matches(p, n) for p in patterns)]
        if patterns is not None and not fitting:
            continue
        created = epoch_seconds(image.created)
        in_time = (oldest is None or created > oldest) and (newest is None or NEVER < created < newest)
        if in_time and labels_fit(_labels(image), filters) and _dangling_fits(names, filters):
            chosen.append((image, fitting))
    return chosen


def matches(pattern: str, name: Reference) -> bool:
    """Whether the name, with or without its tag, matches `pattern`, in which `*` stands for anything but `/`."""
    parts = {"*": "[^/]*", "?": "[^/]"}
    expression = "".join(
        parts.get(part, part if len(part) > 1 else re.escape(part)) for part in re.findall(r"\[[^]]+\]|.", pattern)
    )
    return any(re.fullmatch(expression, text) for text in (name.familiar_name, name.familiar))


def _labels(image: Image) -> dict[str, str]:
    return (image.config.get("config") or {}).get("Labels") or {}


def labels_fit(labels: dict[str, str], filters: Filters) -> bool:
    """Whether these labels match the filters `label` and `label!`."""

    def has(wanted: str) -> bool:
        name, equals, value = wanted.partition("=")
        return name in labels and (not equals or labels[name] == value)

    return all(map(has, filters.get("label", ()))) and not any(map(has, filters.get("label!", ())))


def _dangling_fits(names: list[Reference], filters: Filters) -> bool:
    for value in filters.get("dangling", ()):
        if value not in _BOOLEANS:
            raise UsageError(f"invalid filter 'dangling={value}': it is true or false")
        if (value in ("true", "1")) != (not names):
            return False
    return True


def moment(text: str) -> float:
    """The time of the filter `until`, in seconds since 1970. `text`: such a number, RFC 3339, or an age (1h30m).

    A time without a zone is in this machine's.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?", text) and (found := epoch_seconds(text)) != NEVER:
        return found
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return time.time() - durations.parse(text) / 1_000_000_000
    except ValueError:
        why = "it is a time (2025-01-31T12:00:00) or a duration (24h)"
        raise UsageError(f"invalid filter 'until={text}': {why}") from None


def wants_unused(filters: Filters, *, unused: bool) -> bool:
    """Whether `image prune` removes all images that are not used, and not only those without a name: --all says so,
    or dangling=false, which is taken out of `filters`. Raises `UsageError` if they contradict each other."""
    values = filters.pop("dangling", [])
    said = {value in ("false", "0") for value in values}
    if len(said) > 1 or (unused and False in said) or any(value not in _BOOLEANS for value in values):
        raise UsageError(f"invalid filter 'dangling=[{' '.join(values)}]'")
    return unused or True in said
