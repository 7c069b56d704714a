"""calculator: the greatest value of an expression on the points of one tile of the plane."""

from __future__ import annotations

import socket
from typing import Any

import bottle
from expression import ExpressionError, compiled
from rest import asked, service

_MOST_STEPS = 500  # along each side of a tile: a quarter of a million points is a second's work

app = service()


@app.post("/tiles")
def tile() -> dict[str, Any]:
    """POST {"expression": "x * y", "x": [0, 1], "y": [0, 1], "steps": 10}: where its greatest value is, and by whom."""
    wanted = asked()
    try:
        steps = int(wanted["steps"])
        if not 1 <= steps <= _MOST_STEPS:
            raise bottle.HTTPError(400, f"steps has to be 1 to {_MOST_STEPS}")
        found = greatest(str(wanted["expression"]), _pair(wanted["x"]), _pair(wanted["y"]), steps)
    except ExpressionError as error:
        raise bottle.HTTPError(400, str(error)) from None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bottle.HTTPError(400, "a tile has an expression, x and y (two numbers each) and steps") from None
    value, x, y = found or (None, None, None)
    return {"value": value, "x": x, "y": y, "points": (steps + 1) ** 2, "by": socket.gethostname()}


def _pair(row: list[Any]) -> tuple[float, float]:
    first, last = row
    return float(first), float(last)


def greatest(
    text: str, xs: tuple[float, float], ys: tuple[float, float], steps: int
) -> tuple[float, float, float] | None:
    """(value, x, y) of the best of (steps + 1)² points; None if the expression has no value on any of them."""
    function = compiled(text)
    best = None
    for row in range(steps + 1):
        y = ys[0] + (ys[1] - ys[0]) * row / steps
        for column in range(steps + 1):
            x = xs[0] + (xs[1] - xs[0]) * column / steps
            value = function(x, y)
            if value is not None and (best is None or value > best[0]):
                best = (value, x, y)
    return best
