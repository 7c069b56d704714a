"""A JSON object with the types that Go would insist on: an unknown key is ignored, a wrong type is an error."""

from __future__ import annotations

from typing import Any

from minidock.errors import UsageError

_KINDS = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "bool",
          type(None): "null"}  # fmt: skip
_GO = {dict: "map", list: "slice", str: "string", int: "int64", float: "float64", bool: "bool"}


class Fields:
    """One object. A key that is missing or null has its type's empty value. Letter case does not matter, as in Go."""

    def __init__(self, content: dict[str, Any], place: str = "") -> None:
        self.content = content
        self.place = place
        self._known = {key.lower(): value for key, value in content.items()}
        self._known |= {key: value for key, value in content.items()}

    @classmethod
    def of(cls, content: Any, place: str = "") -> Fields:
        """Raises `UsageError` if `content` is no object."""
        return cls(_typed(content, dict, place) if content is not None else {}, place)

    def __contains__(self, key: str) -> bool:
        return self.raw(key) is not None

    def raw(self, key: str) -> Any:
        """The value as it is; None if there is none."""
        return self._known.get(key, self._known.get(key.lower()))

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        return str(self._get(key, str, default))

    def maybe_text(self, key: str) -> str | None:
        """A text, or None if there is none."""
        return None if self.raw(key) is None else self.text(key)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """true or false."""
        return bool(self._get(key, bool, default))

    def number(self, key: str, default: int = 0) -> int:
        """A whole number."""
        value = self.raw(key)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return int(self._get(key, int, default))

    def maybe_number(self, key: str) -> int | None:
        """A whole number, or None if there is none."""
        return None if self.raw(key) is None else self.number(key)

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        found = self._get(key, list, [])
        return [_typed(value, str, self._at(key)) for value in found]

    def words(self, key: str) -> list[str] | None:
        """A list of texts, or one text that stands for a list (moby: strslice.StrSlice); None if there is none."""
        value = self.raw(key)
        if value is None:
            return None
        return [value] if isinstance(value, str) else self.texts(key)

    def table(self, key: str) -> dict[str, str]:
        """An object of texts."""
        return {name: "" if value is None else _typed(value, str, self._at(key))
                for name, value in self._get(key, dict, {}).items()}  # fmt: skip

    def names(self, key: str) -> list[str]:
        """An object of which only the keys mean something."""
        return list(self._get(key, dict, {}))

    def child(self, key: str) -> Fields:
        """An object inside."""
        return Fields.of(self.raw(key), self._at(key))

    def children(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [Fields.of(value, self._at(key)) for value in self._get(key, list, [])]

    def children_by_name(self, key: str) -> dict[str, Fields]:
        """An object of objects."""
        return {name: Fields.of(value, self._at(key)) for name, value in self._get(key, dict, {}).items()}

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self.raw(key)
        return default if value is None else _typed(value, kind, self._at(key))

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def _typed(value: Any, kind: type, place: str) -> Any:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    where = f" field .{place} of type" if place else " value of type"
    raise UsageError(f"invalid JSON: json: cannot unmarshal {_KINDS.get(type(value), 'value')} into Go struct{where} "
                     f"{_GO[kind]}")  # fmt: skip
