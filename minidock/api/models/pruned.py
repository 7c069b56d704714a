"""What a removal of images did, as docker's ImageDeleteResponseItems."""

from __future__ import annotations

from collections.abc import Iterable


def rows(lines: Iterable[str]) -> list[dict[str, str]]:
    """The engine's lines, such as "Untagged: alpine:latest"."""
    return [{kind.capitalize(): name} for kind, _, name in (line.partition(": ") for line in lines)]
