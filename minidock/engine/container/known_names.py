"""The names of all containers, as this process has read them last: `inspect` of many does not read all for each.

They hold as long as no container comes, goes or is renamed, which is when the directory of all containers changes.
Whoever finds a container by them looks whether it is called so still.
"""

from __future__ import annotations

import os

_known: dict[str, tuple[int, dict[str, str]]] = {}  # by root: when that was, and the ids by name


def last_change(root: str) -> int:
    """When a container came, went or was renamed (`changed`), in nanoseconds."""
    try:
        return os.stat(os.path.join(root, "containers")).st_mtime_ns
    except OSError:
        return 0


def changed(root: str) -> None:
    """Have every process read all names anew."""
    os.utime(os.path.join(root, "containers"))


def remember(root: str, ids: dict[str, str], when: int) -> None:
    """Keep the ids by name that were read after `last_change` was `when`."""
    _known[root] = when, ids


def id_of(root: str, name: str) -> str:
    """The id of the container that has this name, or the only id that begins so; "" if that is not known now."""
    when, ids = _known.get(root, (0, {}))
    if not name or when != last_change(root):
        return ""
    if found := ids.get(name.removeprefix("/")):
        return found
    matching = [one for one in ids.values() if one.startswith(name)]
    return matching[0] if len(matching) == 1 else ""
