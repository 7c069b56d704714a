"""portal: the page in the browser. It asks optimizer and reporting; the browser asks only it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bottle
from rest import ServiceError, ask

_HERE = Path(__file__).parent
_FIRST = {"expression": "sin(x) * cos(y) - (x * x + y * y) / 50", "left": "-6", "right": "6", "low": "-6", "high": "6"}

app = bottle.Bottle()


@app.get("/")
def start() -> str:
    """The form, and what was found so far."""
    return page(_FIRST)


@app.post("/")
def optimize() -> Any:
    """What the form sends: the answer is the new report's page, or the form with the reason why there is none."""
    form = {name: bottle.request.forms.getunicode(name, "").strip() for name in (*_FIRST, "mail")}
    wanted = {"expression": form["expression"], "x": [form["left"], form["right"]], "y": [form["low"], form["high"]]}
    try:
        found = ask(f"{_address('OPTIMIZER')}/optimizations", {**wanted, "mail": form["mail"]})
    except ServiceError as error:
        bottle.response.status = 502
        return page(form, str(error))
    if not found["id"]:
        bottle.response.status = 502
        return page(form, "It was found, but is not kept: the reporting service is not there.", found)
    return bottle.redirect(f"/reports/{found['id']}", 303)


@app.get("/reports/<number:int>")
def report(number: int) -> str:
    """One report."""
    try:
        found = ask(f"{_address('REPORTING')}/reports/{number}")
    except ServiceError as error:
        bottle.response.status = 404
        return page(_FIRST, str(error))
    (left, right), (low, high) = ((f"{end:g}" for end in found[side]) for side in ("x", "y"))
    form = {"expression": found["expression"], "left": left, "right": right, "low": low, "high": high}
    return page(form, "", found)


@app.get("/style.css")
def style() -> Any:
    return bottle.static_file("style.css", _HERE)


@app.get("/health")
def health() -> dict[str, Any]:
    return {"healthy": True}


def page(form: dict[str, str], error: str = "", found: dict[str, Any] | None = None) -> str:
    """The page's HTML; what others wrote is escaped by the template."""
    try:
        reports = ask(f"{_address('REPORTING')}/reports")["reports"]
    except ServiceError as why:
        reports, error = [], error or str(why)
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    return str(bottle.template(template, form={"mail": "", **form}, error=error, found=found, reports=reports))


def _address(variable: str) -> str:
    return f"http://{os.environ.get(variable, variable.lower())}"
