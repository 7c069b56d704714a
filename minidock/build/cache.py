"""Why a step was taken from the cache, or not: the parts of its key beside those of the same line last time.

The book's 3.4.1 and 3.4.2. What was built last of a context and a target is remembered by its lines
(`build/last/<key>.json`), with the parts that each line's key was made of.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from minidock import state
from minidock.image.layer_cache import Parts, key_of

_PLACE = ("build", "last")


class Done(NamedTuple):
    """One line that made a layer: its text as it stands in the Dockerfile, and the parts of its key."""

    text: str
    parts: Parts


class Last:
    """What was built last time from the same place. `name`: what tells this build from others, such as its context."""

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self._file = f"{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()}.json"
        self.done = self._read()
        self.now: list[Done] = []

    def _read(self) -> list[Done]:
        try:
            rows: list[dict[str, Any]] = state.read_json(os.path.join(self.root, *_PLACE, self._file))["lines"]
            return [Done(str(row["text"]), dict(row["parts"])) for row in rows]
        except Exception:  # nothing is lost with it but the reasons
            return []

    def keep(self) -> None:
        """Remember this build as the last one."""
        directory = state.directory(self.root, *_PLACE)
        state.write_json(
            os.path.join(directory, self._file), {"lines": [row._asdict() for row in self.now]}, durable=False
        )

    def reason(self, text: str, parts: Parts, *, hit: bool) -> str:
        """In one line: why the line `text`, with these parts, is in the cache or is not."""
        position = len(self.now)
        rows = [*self.done[position : position + 1], *self.done]  # the same place first: a text may be there twice
        before = next((row.parts for row in rows if row.text == text), None)
        self.now.append(Done(text, parts))
        if hit:
            return "nothing it depends on has changed"
        if before is None:
            there = self.done[position] if position < len(self.done) else None
            return (
                f"the line is new or was changed (it was: {there.text[:60]})"
                if there
                else "it is built for the first time"
            )
        return difference(before, parts)


def difference(before: Parts, parts: Parts) -> str:
    """What is not the same in two sets of parts, in words."""
    if key_of(before) == key_of(parts):
        return "it is no longer in the cache"
    if before.get("files") != parts.get("files"):
        return _files(before.get("files") or {}, parts.get("files") or {})
    old, new = before.get("variables") or {}, parts.get("variables") or {}
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name):
            return f"the variable {name} is another: {_shown(old.get(name))} was {_shown(new.get(name), 'now')}"
    for name in sorted((set(before) | set(parts)) - {"parent"}):
        if before.get(name) != parts.get(name):
            return f"its {name} is another"
    return "a step before it is another"


def _shown(value: str | None, word: str = "") -> str:
    text = "not set" if value is None else repr(value)
    return f"{word} {text}".strip() if word else text


def _files(before: dict[str, str], now: dict[str, str]) -> str:
    changed = sorted(name for name in set(before) & set(now) if before[name] != now[name])
    added, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    for word, names in (("changed", changed), ("new", added), ("gone", gone)):
        if names:
            more = len(changed) + len(added) + len(gone) - 1
            return f"{names[0]} is {word}" + (f", and {more} more" if more else "")
    return "its files are others"
