"""The type of the flags that are sizes."""

from __future__ import annotations

import click

from minidock.engine.request import values


class Size(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """Bytes: a number with an optional unit b, k, m, g, t or p, each 1024 times the one before."""

    name = "bytes"

    def __init__(self, *, unlimited: bool = False) -> None:
        self.unlimited = unlimited

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if self.unlimited and value == "-1":
            return -1
        try:
            return values.size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
