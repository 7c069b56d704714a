"""optimizer: has calculators look for the greatest value of an expression, reporting keep it, notifier tell of it."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import Any

import bottle
import search
from rest import ServiceError, ask, asked, service
from search import Search

_LIMITS = {"rounds": 10, "tiles": 20, "steps": 100}

app = service()


@app.post("/optimizations")
def optimize() -> dict[str, Any]:
    """POST {"expression": "x * y", "x": [0, 1], "y": [0, 1], "mail": "..."}: the best point, and its report."""
    wanted = asked()
    what = _search(wanted)
    started = time.monotonic()
    try:
        result = search.run(what)
    except ServiceError as error:
        raise bottle.HTTPError(502, str(error)) from None
    if not result["best"]:
        raise bottle.HTTPError(400, f"{what.expression} has no value anywhere in this area")
    report = {**result, "expression": what.expression, "x": what.x, "y": what.y,
              "seconds": round(time.monotonic() - started, 3)}  # fmt: skip
    report["id"] = _told("REPORTING", "reports", report).get("id")
    if mail := wanted.get("mail"):
        best = report["best"]
        text = f"{what.expression} is {best['value']:.6g} at x = {best['x']:.6g}, y = {best['y']:.6g}.\n"
        report["mailed"] = bool(_told("NOTIFIER", "notifications",
                                      {"to": mail, "subject": "An optimum was found", "text": text}))  # fmt: skip
    return report


def _told(variable: str, path: str, data: dict[str, Any]) -> dict[str, Any]:
    """Tell another service, whose host is in the environment. Without it the result is still the result."""
    host = os.environ.get(variable, variable.lower())
    try:
        answer: dict[str, Any] = ask(f"http://{host}/{path}", data)
        return answer
    except ServiceError as error:
        print(f"{variable.lower()}: {error}", file=sys.stderr)
        return {}


def _search(wanted: dict[str, Any]) -> Search:
    """Raises `HTTPError` 400."""
    try:
        numbers = {name: int(wanted[name]) for name in _LIMITS if name in wanted}
        found = Search(str(wanted["expression"]), _side(wanted["x"]), _side(wanted["y"]), **numbers)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bottle.HTTPError(400, "a search has an expression, x and y (the first less than the last)") from None
    for name, most in _LIMITS.items():
        if not 1 <= getattr(found, name) <= most:
            raise bottle.HTTPError(400, f"{name} has to be 1 to {most}")
    return found


def _side(row: list[Any]) -> tuple[float, float]:
    first, last = (float(number) for number in row)
    if not (math.isfinite(first) and math.isfinite(last) and first < last):
        raise ValueError("no side of an area")
    return first, last
