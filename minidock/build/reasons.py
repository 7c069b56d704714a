"""Why a step was taken from the cache or was not, as data: a key and its values.

The words for each key, in every language, are in `explain/build/build_texts.py`, above this room; a caller that shows a
reason passes them in (`in_words`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minidock.named_tuple import NamedTuple

Say = Callable[..., str]


class Reason(NamedTuple):
    """`key` names a text; `values` are put into its places, and may be reasons themselves."""

    key: str
    values: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class Cause(NamedTuple):
    """The first line of a stage that is not what it was last time: all lines after it have another parent.

    `line`: its number in the Dockerfile, 0 for one that the base image's ONBUILD brought.
    """

    step: str
    line: int
    why: Reason


SAME = Reason("same")
KNOWN = Reason("known")
GONE = Reason("no longer kept")
UNFINISHED = Reason("unfinished")
FIRST = Reason("first time")
NEW = Reason("new line")
NO_CACHE = Reason("--no-cache")


class Files(NamedTuple):
    """The files of one step. `paths()`: the place of each below the target, and what users call it.

    `read(place)`: its content; None if that cannot be read any more.
    """

    paths: Callable[[], Mapping[str, str]]
    read: Callable[[str], bytes | None]


NO_FILES = Files(dict, lambda place: None)


def after(cause: Cause) -> Reason:
    """Of a line whose parent is another, because of `cause`."""
    return Reason("after" if cause.line else "after trigger", cause._asdict())


def in_words(reason: Reason, say: Say) -> str:
    """One line, without an end. `say(key, **values)` gives a text in the user's language."""
    values = {
        name: in_words(value, say) if isinstance(value, Reason) else value for name, value in reason.values.items()
    }
    return say(reason.key, **values)
