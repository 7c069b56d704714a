"""The functions of templates: Go's own, and those that docker adds (json, join, split, upper, lower, title, pad,
truncate). A `ValueError` says, in Go's words, what cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minidock.cli.format.template_values import Header, Nil, as_json, go_type, shown, sprintf
from minidock.named_tuple import NamedTuple


class Function(NamedTuple):
    """`kinds`: what each argument has to be, None for anything. `more`: whether any number may follow."""

    call: Callable[..., Any]
    kinds: tuple[type | None, ...]
    more: bool = False


def _length(value: Any) -> int:
    if isinstance(value, (str, list, tuple, Mapping, Nil)):
        return len(value.encode() if isinstance(value, str) else value)
    raise ValueError(f"len of type {go_type(value)}")


def _index(found: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(found, Mapping):
            found = found.get(key, getattr(found, "missing", None))
        elif isinstance(found, Nil) and found.text == "map[]":
            found = found.missing
        elif isinstance(found, Nil):
            raise ValueError("index of untyped nil")
        elif isinstance(found, (list, tuple, str)):
            if not isinstance(key, int) or isinstance(key, bool):
                raise ValueError(f"cannot index slice/array with type {go_type(key)}")
            if not 0 <= key < len(found):
                kind = "reflect: string index out of range" if isinstance(found, str) else f"index out of range: {key}"
                raise ValueError(kind)
            found = found.encode()[key] if isinstance(found, str) else list(found)[key]
        elif found is None:
            raise ValueError("index of untyped nil")
        else:
            raise ValueError(f"can't index item of type {go_type(found)}")
    return found


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise ValueError(f"can't slice item of type {go_type(value)}")
    start, end = (*bounds, len(value))[:2] if bounds else (0, len(value))
    for bound in (start, end):
        if not 0 <= bound <= len(value):
            raise ValueError(f"index out of range: {bound}")
    if start > end:
        raise ValueError(f"invalid slice index: {start} > {end}")
    return value[start:end]


def _kind(value: Any) -> str:
    kinds: list[tuple[Any, str]] = [(bool, "bool"), (int, "int"), (float, "float"), (str, "string")]
    return next((name for kind, name in kinds if isinstance(value, kind)), "other")


def _comparable(first: Any, second: Any) -> None:
    if "other" in (_kind(first), _kind(second)) or _kind(first) != _kind(second):
        raise ValueError("incompatible types for comparison")


def _equal(first: Any, *others: Any) -> bool:
    for other in others:
        _comparable(first, other)
    return first in others


def _less(first: Any, second: Any) -> bool:
    _comparable(first, second)
    return bool(first < second)


def _print(*values: Any) -> str:
    """Go's Sprint: a space between two values of which neither is a text."""
    text, before = "", None
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(before, str):
            text += " "
        text, before = text + shown(value), value
    return text


def _split(text: str, between: str) -> list[str] | str:
    if isinstance(text, Header):
        return text
    return text.split(between) if between else list(text)


def _title(text: str) -> str:
    return text if isinstance(text, Header) else " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def _pad(text: str, left: int, right: int) -> str:
    return " " * left + text + " " * right if text else text


def _html(text: str) -> str:
    import html  # here, as few templates need it

    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _url(text: str) -> str:
    from urllib.parse import quote_plus  # here, as few templates need it

    return quote_plus(text)


def _js(text: str) -> str:
    escapes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
    return "".join(escapes.get(c, c if c >= " " else f"\\u{ord(c):04X}") for c in text)


FUNCTIONS: dict[str, Function] = {
    "json": Function(as_json, (None,)),
    "join": Function(lambda values, between: between.join(map(shown, values)), (list, str)),
    "split": Function(_split, (str, str)),
    "lower": Function(lambda text: text if isinstance(text, Header) else text.lower(), (str,)),
    "upper": Function(lambda text: text if isinstance(text, Header) else text.upper(), (str,)),
    "title": Function(_title, (str,)),
    "pad": Function(_pad, (str, int, int)),
    "truncate": Function(lambda text, count: text if isinstance(text, Header) else text[:count], (str, int)),
    "len": Function(_length, (None,)),
    "index": Function(_index, (None,), more=True),
    "slice": Function(_slice, (None,), more=True),
    "print": Function(_print, (), more=True),
    "printf": Function(lambda form, *values: sprintf(form, values), (str,), more=True),
    "println": Function(lambda *values: " ".join(map(shown, values)) + "\n", (), more=True),
    "html": Function(lambda *values: _html(_print(*values)), (), more=True),
    "js": Function(lambda *values: _js(_print(*values)), (), more=True),
    "urlquery": Function(lambda *values: _url(_print(*values)), (), more=True),
    "eq": Function(_equal, (None, None), more=True),
    "ne": Function(lambda first, second: not _equal(first, second), (None, None)),
    "lt": Function(_less, (None, None)),
    "le": Function(lambda first, second: not _less(second, first), (None, None)),
    "gt": Function(lambda first, second: _less(second, first), (None, None)),
    "ge": Function(lambda first, second: not _less(first, second), (None, None)),
    "not": Function(lambda value: not value, (None,)),
}
# The value of the first argument that decides, the later ones not looked at: `and .State.Health .State.Health.Status`.
SHORT_CIRCUIT = {"and": False, "or": True}
