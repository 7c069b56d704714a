"""reporting: keeps what was found in the database, and draws it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bottle
import drawing
import redis
from rest import asked, service

_LISTED = 20  # the newest
_PORT = 6379
_SECONDS = 5
_NEEDED = {"expression": str, "best": dict, "map": list, "x": list, "y": list, "calculators": dict, "points": int,
           "seconds": (int, float)}  # fmt: skip

app = service()


@contextmanager
def database() -> Iterator[redis.Redis]:
    """A connection to the host in DATABASE. Raises `HTTPError` 503 when it is not there."""
    host, _, port = os.environ.get("DATABASE", "database").partition(":")
    client = redis.Redis(host, int(port or _PORT), socket_timeout=_SECONDS, decode_responses=True)
    try:
        yield client
    except redis.exceptions.RedisError as error:
        raise bottle.HTTPError(503, f"the database: {error}") from None
    finally:
        client.close()


@app.post("/reports")
def keep() -> dict[str, Any]:
    """POST a result of optimizer's: it is kept, and gets a number."""
    report = asked()
    if not all(isinstance(report.get(name), kind) for name, kind in _NEEDED.items()):
        raise bottle.HTTPError(400, f"a report has {', '.join(_NEEDED)}")
    with database() as client:
        number = client.incr("reports")
        kept = {**report, "id": number, "at": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())}
        client.set(f"report:{number}", json.dumps(kept))
    return {"id": number}


@app.get("/reports")
def newest() -> dict[str, Any]:
    """The newest reports, without their maps."""
    with database() as client:
        last = int(client.get("reports") or 0)
        names = [f"report:{number}" for number in range(last, max(0, last - _LISTED), -1)]
        found = [json.loads(text) for text in client.mget(names) if text] if names else []
    return {"reports": [{name: value for name, value in report.items() if name != "map"} for report in found]}


@app.get("/reports/<number:int>")
def one(number: int) -> dict[str, Any]:
    """One report with its picture."""
    with database() as client:
        text = client.get(f"report:{number}")
    if not text:
        raise bottle.HTTPError(404, f"there is no report {number}")
    report: dict[str, Any] = json.loads(text)
    return {**report, "picture": drawing.svg(report)}
