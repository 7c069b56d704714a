"""The type of the flags that are sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.engine.request import values

if TYPE_CHECKING:
    import click


class Size(usage.Kind):
    """Bytes: a number with an optional unit b, k, m, g, t or p, each 1024 times the one before."""

    def __init__(self, *, unlimited: bool = False) -> None:
        self.unlimited = unlimited

    def convert(self, text: str) -> int:
        return -1 if self.unlimited and text == "-1" else values.size(text)

    def to_click(self) -> click.ParamType[Any]:
        import click

        kind = self

        class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
            name = "bytes"

            def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
                try:
                    return value if isinstance(value, int) else kind.convert(value)
                except ValueError as error:
                    self.fail(str(error), param, ctx)

        return Bytes()
