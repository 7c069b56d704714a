"""The origin of a file in an image: what each layer did at its path, and which layer's file is visible.

Nothing is mounted; the rules are those of overlayfs (`explain/layers/layer_changes.py`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from minidock.errors import NotFoundError
from minidock.explain.layers.layer_changes import kind_of, look_up, size_of, walk
from minidock.linux.overlay import is_opaque, is_whiteout
from minidock.named_tuple import NamedTuple

_MAX_LINKS = 40  # symlinks on the way to a file, as in the kernel (path_resolution(7))


class Event(NamedTuple):
    """What one layer did at a path. `layer` counts from 1, the bottom.

    `what`: "added", "changed" or "hidden". For a hidden path, `by` is the path whose whiteout, opaque mark or file
    hides it, which can be a directory above, and `how` is which of these it is.
    """

    layer: int
    what: str
    kind: str
    mode: int
    size: int
    how: str
    by: str


class Trace(NamedTuple):
    """What happened at one path. `layer`: the layer of the visible file; 0 if none is. `target`: that of a link."""

    path: str
    layer: int
    target: str
    events: list[Event]


def trace(layers: Sequence[str], path: str) -> Trace:
    """What each of `layers` (directories, bottom to top) did at `path`.

    Symbolic links among the directories above are followed first, so the result can have another path. Raises
    `NotFoundError` if no layer contains the path.
    """
    real = _resolve(layers[::-1], path)
    names = [name for name in real.split("/") if name]
    events: list[Event] = []
    for number, layer in enumerate(layers, 1):
        is_seen = bool(events) and events[-1].what != "hidden"
        if event := _event(number, layer, names, is_seen):
            events.append(event)
    if not events:
        raise NotFoundError(f"no layer has {path}")
    last = events[-1]
    target = ""
    if last.kind == "link":
        target = os.readlink(os.path.join(layers[last.layer - 1], *names))
    return Trace(real, last.layer if last.what != "hidden" else 0, target, events)


def _resolve(directories: Sequence[str], path: str) -> str:
    """`path` with the links among its directories followed in the merged tree; its last name is not followed."""
    todo = [name for name in reversed(path.split("/")) if name not in ("", ".")]
    done: list[str] = []
    parts: list[list[str]] = [list(directories)]  # for each name in `done`, and before: the directories it is made of
    links = 0
    while todo:
        name = todo.pop()
        if name == "..":
            done, parts = done[:-1], parts[:-1] or parts
            continue
        seen, below = look_up(parts[-1], name)
        if todo and seen and stat.S_ISLNK(seen.status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, f"{path}: too many symbolic links")
            target = os.readlink(os.path.join(parts[-1][seen.origin], name))
            if target.startswith("/"):
                done, parts = [], parts[:1]
            todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
            continue
        done.append(name)
        parts.append(below)
    return "/" + "/".join(done)


def _event(number: int, layer: str, names: Sequence[str], is_seen: bool) -> Event | None:
    """What `layer` did at a path that is visible, or not, in the layers below; None if it did nothing."""
    place, hides = layer, None
    for position, name in enumerate(names, 1):
        place = os.path.join(place, name)
        here = "/" + "/".join(names[:position])
        try:
            status = os.lstat(place)
        except OSError:  # not in this layer
            return hides if is_seen else None
        if is_whiteout(status):
            return Event(number, "hidden", "", 0, 0, "whiteout", here) if is_seen else None
        if position == len(names):
            what = "changed" if is_seen else "added"
            return Event(number, what, kind_of(status), status.st_mode, size_of(status), "", "")
        if not stat.S_ISDIR(status.st_mode):
            return Event(number, "hidden", "", 0, 0, "replaced", here) if is_seen else None
        if is_opaque(place):
            hides = Event(number, "hidden", "", 0, 0, "opaque", here)
    status = os.lstat(layer)
    return Event(number, "changed" if is_seen else "added", "directory", status.st_mode, 0, "", "")


# The whole tree


class Share(NamedTuple):
    """What one layer has in a directory, with all below it: files (and whatever is no directory), and their bytes."""

    files: int
    size: int


class Directory(NamedTuple):
    """A directory of the merged tree: the layer (from 1, the bottom) that it comes from, and what each has in it."""

    path: str
    layer: int
    shares: dict[int, Share]


def tree(layers: Sequence[str]) -> list[Directory]:
    """All directories of an image, parents first, the root "/" first; sorted by name."""
    shares: dict[str, dict[int, Share]] = {"/": {}}
    origins = {"/": 1}
    for path, seen in walk(layers[::-1]):
        number = len(layers) - seen.origin
        if stat.S_ISDIR(seen.status.st_mode):
            origins[path], shares[path] = number, {}
        else:
            above = path
            while above:
                above = above.rpartition("/")[0]
                rows = shares[above or "/"]
                files, size = rows.get(number, (0, 0))
                rows[number] = Share(files + 1, size + size_of(seen.status))
    return [Directory(path, origins[path], dict(sorted(rows.items()))) for path, rows in shares.items()]
