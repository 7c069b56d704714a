"""Why a step was taken from the cache, or not: the parts of its key beside those of the same line last time.

The book's 3.4.1 and 3.4.2. What was built last of a context and a target is remembered by its lines
(`build/last/<name>.json`): each with its text and its key. What the key was made of is in the cache (`layer_cache.py`).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from typing import Any

from minidock import state
from minidock.build import reasons
from minidock.build.reasons import NO_FILES, Cause, Files, Reason
from minidock.image import layer_cache, layer_directories
from minidock.image.layer_cache import Parts
from minidock.named_tuple import NamedTuple

_PLACE = ("build", "last")
_LONGEST = 60  # characters of a line that is quoted


class Row(NamedTuple):
    """One line of a build. `text` as in the Dockerfile; `layer` its diff ID, "" if the line did not come to its end."""

    text: str
    key: str
    layer: str


class Line(NamedTuple):
    """A line that is about to be built. `number`: in the Dockerfile, 0 for one from ONBUILD."""

    text: str
    number: int
    parts: Parts
    files: Files = NO_FILES


class Last:
    """What was built last time from the same place.

    `names`: what tells this build from others, such as its context; the first that is known counts. `texts`: the lines
    of the stage as it is now.
    """

    def __init__(self, root: str, names: Sequence[str], texts: Sequence[str]) -> None:
        self.root = root
        self._files = [f"{hashlib.sha256(n.encode(errors='surrogateescape')).hexdigest()}.json" for n in names]
        self.rows = self._read()
        self.texts = set(texts)
        self.now: list[Row] = []
        self.position = 0  # of the row of last time that is expected next

    def _read(self) -> list[Row]:
        for file in self._files:
            try:
                rows: list[dict[str, Any]] = state.read_json(os.path.join(self.root, *_PLACE, file))["rows"]
                return [Row(*(str(row[name]) for name in Row._fields)) for row in rows]
            except Exception:  # nothing is lost with it but the reasons
                continue
        return []

    def keep(self) -> None:
        """Remember this build as the last one, with what it did not come to as it was before."""
        directory = state.directory(self.root, *_PLACE)
        rows = [*self.now, *self.rows[self.position :]]
        for file in self._files:
            content = {"rows": [row._asdict() for row in rows]}
            state.write_json(os.path.join(directory, file), content, durable=False)

    def base(self, text: str, line: int, key: str, name: str) -> Cause | None:
        """A FROM. `key`: of the image's layers; `name`: what to call this image. Returns what has changed."""
        before = self._take(text)
        self.now.append(Row(text, key, name))
        if before is None or before.key == key:
            return None
        return Cause(text, line, Reason("base", {"old": before.layer, "new": name}))

    def reason(self, line: Line, key: str, cause: Cause | None, *, hit: bool) -> tuple[Reason, Cause | None]:
        """(why the line is in the cache or is not, what has changed first up to it). `cause`: the latter so far."""
        before = self._take(line.text)
        previous = self.now[-1].text if self.now else ""
        self.now.append(Row(line.text, key, ""))
        if before and before.key == key:
            missing = reasons.GONE if before.layer else reasons.UNFINISHED
            return reasons.SAME if hit else missing, cause
        why = self._why(line, before, previous, cause)
        if cause is None and why != reasons.FIRST:
            cause = Cause(short(line.text), line.number, why)
        return reasons.KNOWN if hit else why, cause

    def made(self, layer: str) -> None:
        """The line that was asked for last has its layer, whose diff ID this is."""
        self.now[-1] = self.now[-1]._replace(layer=layer)

    def _take(self, text: str) -> Row | None:
        """The row of last time for this line. Those with the same text are taken in their order."""
        for number, row in enumerate(self.rows[self.position :], self.position):
            if row.text == text:
                self.position = number + 1
                return row
        return next((row for row in self.rows if row.text == text), None)

    def _why(self, line: Line, before: Row | None, previous: str, cause: Cause | None) -> Reason:
        if before is None:
            return self._new()
        known = layer_cache.read(self.root, before.key)
        if known is None:
            return reasons.UNFINISHED if not before.layer else reasons.GONE
        own = self._own(known.parts, before, line)
        if own:
            return own
        if cause:
            return reasons.after(cause)
        position = self.rows.index(before)
        preceding = self.rows[position - 1].text if position else ""
        if preceding and preceding not in self.texts and not preceding.startswith("FROM "):
            return Reason("line gone", {"old": short(preceding)})
        if preceding != previous:
            return Reason("moved", {"old": short(preceding), "new": short(previous)})
        return Reason("parent")

    def _new(self) -> Reason:
        if not self.rows:
            return reasons.FIRST
        there = self.rows[self.position] if self.position < len(self.rows) else None
        if there and there.text not in self.texts:  # it has the place of one that is no more
            self.position += 1
            return Reason("line changed", {"old": short(there.text)})
        return reasons.NEW

    def _own(self, before: Parts, row: Row, line: Line) -> Reason | None:
        """What of the line itself is another, whatever its parent is."""
        from minidock.build import reasons_of_files

        now = line.parts
        old_files, files = before.get("files") or {}, now.get("files") or {}
        if old_files != files:
            return reasons_of_files.changed(old_files, files, line.files, self._reader(before, row))
        for kind in ("arguments", "environment"):
            old, new = before.get(kind) or {}, now.get(kind) or {}
            for name in sorted(set(old) | set(new)):
                if old.get(name) != new.get(name):
                    return _variable(kind, name, old.get(name), new.get(name))
        for name in sorted((set(before) | set(now)) - {"parent"}):
            if before.get(name) != now.get(name):
                return _part(name, before.get(name), now.get(name))
        return None

    def _reader(self, before: Parts, row: Row) -> Any:
        """Reads what a file was last time, in the layer that the line made then."""
        from minidock.build import reasons_of_files

        read = reasons_of_files.reader(layer_directories.layer_path(self.root, row.layer)) if row.layer else None
        target = str(before.get("target") or "")
        if read is None or not target:
            return lambda place: None
        into = bool(before.get("into"))
        return lambda place: read(posixpath.join(target, place.removeprefix("<<")) if into else target)


def _variable(kind: str, name: str, old: str | None, new: str | None) -> Reason:
    word = "ARG" if kind == "arguments" else "ENV"
    if old is None or new is None:
        return Reason("variable set" if old is None else "variable unset", {
            "kind": word, "name": name, "value": repr(new if old is None else old),
        })  # fmt: skip
    return Reason("variable", {"kind": word, "name": name, "old": repr(old), "new": repr(new)})


def _part(name: str, old: Any, new: Any) -> Reason:
    """Another part of a key: a command's user, a copy's target."""
    if name in ("run", "script"):
        from minidock.build import reasons_of_files

        old_text, new_text = (each if isinstance(each, str) else (each or [""])[-1] for each in (old, new))
        if "\n" in old_text and "\n" in new_text and old_text != new_text:
            first, last = reasons_of_files.text_lines(old_text, new_text)
            return Reason("here-document", {"line": first, "last": last})
    return Reason("part", {"name": Reason(f"part {name}"), "old": _shown(old), "new": _shown(new)})


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ":".join(map(str, value)) if all(isinstance(each, int) for each in value) else repr(value)
    return repr(value) if isinstance(value, str) else str(value)


def short(text: str) -> str:
    """A line as it is quoted in a reason."""
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
