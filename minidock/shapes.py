"""Shapes of JSON: what a file must have before anything in it is used."""

from __future__ import annotations

from minidock.named_tuple import NamedTuple

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a number", bool: "true or false"}


class Each(NamedTuple):
    """The shape of an object with any keys, whose values all have the shape `values`."""

    values: Any


def misfit(content: Any, shape: Any, place: str = "") -> str:
    """What keeps `content`, found at `place`, from having a shape; "" if it has it.

    A shape is a type, a tuple of types, a list with the one shape of all its items, an object with the shapes of
    required keys, or an `Each`.
    """
    return "" if _fits(content, shape) else _misfit(content, shape, place)


def _fits(content: Any, shape: Any) -> bool:
    """What `_misfit` tells, as a mere yes or no: what is read fits nearly always, and is read for each container."""
    if isinstance(shape, type | tuple) and not isinstance(shape, Each):
        return isinstance(content, shape)
    if isinstance(shape, list):
        return isinstance(content, list) and all(_fits(value, shape[0]) for value in content)
    if not isinstance(content, dict):
        return False
    if isinstance(shape, Each):
        return all(_fits(value, shape.values) for value in content.values())
    for key, inner in shape.items():
        if key not in content:
            return False
        if not (isinstance(content[key], inner) if inner.__class__ is type else _fits(content[key], inner)):
            return False
    return True


def _misfit(content: Any, shape: Any, place: str) -> str:
    if isinstance(shape, (dict, Each)) and not isinstance(content, dict):
        return f"{place or 'all of it'} is not {_KINDS[dict]}"
    if isinstance(shape, list) and not isinstance(content, list):
        return f"{place or 'all of it'} is not {_KINDS[list]}"
    if isinstance(shape, Each):
        rows = [(key, value, shape.values) for key, value in content.items()]
    elif isinstance(shape, dict):
        if missing := shape.keys() - content.keys():
            return f"no {_below(place, min(missing))}"
        rows = [(key, content[key], inner) for key, inner in shape.items()]
    elif isinstance(shape, list):
        rows = [(str(number), value, shape[0]) for number, value in enumerate(content)]
    else:
        kinds = shape if isinstance(shape, tuple) else (shape,)
        return "" if isinstance(content, kinds) else f"{place} is not {_KINDS[kinds[0]]}"
    return next((why for key, value, inner in rows if (why := _misfit(value, inner, _below(place, key)))), "")


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
