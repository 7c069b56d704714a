"""Named tuples as `typing.NamedTuple` makes them, at a third of its price: annotations stay the texts that they are.

typing compiles each annotation that is a text, as all are here (`from __future__ import annotations`): with 40 classes
on the path of a start that is 5 ms in each of two processes. Type checkers see typing's own.
"""

from __future__ import annotations

__all__ = ["NamedTuple"]

TYPE_CHECKING = False  # without typing: it takes 4 ms to import
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    _OWN = frozenset({"__module__", "__qualname__", "__annotations__", "__orig_bases__", "__classcell__"})

    class _Maker(type):
        """The type of NamedTuple: what is derived from that is no instance of this, but a named tuple."""

        def __new__(cls, name, bases, content):
            if not bases:
                return super().__new__(cls, name, bases, content)
            fields = content.get("__annotations__", {})
            defaults = [content[field] for field in fields if field in content]
            made = namedtuple(name, fields, defaults=defaults, module=content["__module__"])
            made.__annotations__ = made.__new__.__annotations__ = fields
            for key, value in content.items():
                if key not in _OWN and key not in fields:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """What a named tuple is derived from."""
