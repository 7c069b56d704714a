"""Which file made a COPY, an ADD or a bind mount another one, and what of it: for text, the first line that differs.

A file's part of a key is "mode owner content" (`tree.Tree.digest`), so that a changed mode is told from a changed text.
What a file was last time is in the layer that the line made then, as long as that is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from minidock.build.reasons import Files, Reason
from minidock.linux.openat2 import open_in_root

_LARGEST = 1 << 20  # bytes of a file that is compared line by line
_NAMES = {"10": "file", "04": "directory", "12": "link"}  # S_IFMT of inode(7), in octal


def changed(
    before: Mapping[str, str], now: Mapping[str, str], files: Files, was: Callable[[str], bytes | None]
) -> Reason:
    """The reason that two sets of files give. `was(place)`: the content of last time, None if it is not kept."""
    other = sorted(name for name in now if name in before and before[name] != now[name])
    other.sort(key=lambda name: now[name].startswith("04"))  # a file says more than the directory around it
    new, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    if other:
        first = _one(other[0], before[other[0]], now[other[0]], files, was)
    elif new:
        first = Reason("file new", {"file": files.paths().get(new[0], new[0])})
    else:
        first = Reason("file gone", {"file": _like(gone[0], files)})
    first.values["places"] = [*other, *new, *gone]
    more = len(first.values["places"]) - 1
    if not more:
        return first
    return Reason("one" if more == 1 else "more", {"first": first, "count": more, "places": first.values["places"]})


def _like(place: str, files: Files) -> str:
    """What users called a file that is gone: as its neighbours are called."""
    for known, path in files.paths().items():
        if known not in ("", ".") and path.endswith(known):
            return path[: len(path) - len(known)] + place
    return place


def _one(place: str, before: str, now: str, files: Files, was: Callable[[str], bytes | None]) -> Reason:
    name = files.paths().get(place, place)
    (old_mode, old_owner, old_content), (mode, owner, content) = _parts(before), _parts(now)
    if old_mode[:2] != mode[:2]:
        kinds = [Reason(f"kind {_NAMES.get(each[:2], 'other')}") for each in (old_mode, mode)]
        return Reason("file kind", {"file": name, "old": kinds[0], "new": kinds[1]})
    if old_content != content:
        lines = _lines(was(place), files.read(place)) if mode[:2] in ("10", "") else None
        return Reason("file lines" if lines and lines[1] > lines[0] else "file line", {
            "file": name, "line": lines[0], "last": lines[1],
        }) if lines else Reason("file changed", {"file": name})  # fmt: skip
    if old_mode != mode:
        return Reason("file mode", {"file": name, "old": old_mode[-4:], "new": mode[-4:]})
    return Reason("file owner", {"file": name, "old": old_owner, "new": owner})


def _parts(digest: str) -> tuple[str, str, str]:
    """(mode in octal, owner, content); a here-document's is content alone."""
    words = digest.split(" ")
    return (words[0], words[1], words[2]) if len(words) == 3 else ("", "", digest)


def _lines(before: bytes | None, now: bytes | None) -> tuple[int, int] | None:
    """The first and the last line of `now` that are not as in `before`; None if either is no text."""
    if before is None or now is None or b"\0" in before or b"\0" in now:
        return None
    old, new = before.split(b"\n"), now.split(b"\n")
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    same = next((n for n, (a, b) in enumerate(zip(reversed(old), reversed(new), strict=False)) if a != b), 0)
    last = max(first, min(len(new) - same - 1, len(new) - 1))
    return first + 1, last + 1


def text_lines(before: str, now: str) -> tuple[int, int]:
    """The same for a here-document's text."""
    return _lines(before.encode(errors="replace"), now.encode(errors="replace")) or (1, 1)


def reader(directory: str) -> Callable[[str], bytes | None]:
    """Reads files below a directory, without ever leaving it; None for what is no small regular file."""

    def read(path: str) -> bytes | None:
        try:
            root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            above, _, name = path.strip("/").rpartition("/")
            parent = open_in_root(root, os.fsencode(above))
            if parent < 0:
                return None
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                return read_small(os.open(name, flags, dir_fd=parent))
            finally:
                os.close(parent)
        except OSError:
            return None
        finally:
            os.close(root)

    return read


def read_small(fd: int) -> bytes | None:
    """The content of an open file, which is closed; None if it is longer than what is compared line by line."""
    with os.fdopen(fd, "rb") as file:
        content = file.read(_LARGEST + 1)
    return content if len(content) <= _LARGEST else None
