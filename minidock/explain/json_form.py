"""Data structures as JSON: a named tuple is an object with its fields' names, in their order."""

from __future__ import annotations

import json
from typing import Any


def plain(value: Any) -> Any:
    """`value` made of dictionaries, lists, texts and numbers only."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return value


def as_json(value: Any) -> str:
    """`value` as JSON for programs: pure ASCII, so bytes of file names that are no UTF-8 pass as \\udc80 to \\udcff."""
    return json.dumps(plain(value), indent=2)
