"""What every service needs of HTTP: to ask another one, to answer errors in JSON, and to be served in a test."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import bottle

SECONDS = 60  # that an answer may take


class ServiceError(Exception):
    """Another service cannot be reached, or has refused: one line."""


def service() -> bottle.Bottle:
    """A web application that answers in JSON, errors as {"error": "..."}, and GET /health."""
    app = bottle.Bottle()
    app.default_error_handler = _error
    app.route("/health", "GET", lambda: {"healthy": True})
    return app


def _error(error: bottle.HTTPError) -> str:
    error.content_type = "application/json"
    return json.dumps({"error": str(error.body)})


def asked() -> dict[str, Any]:
    """The object in the body of the present request. Raises `HTTPError` 400."""
    try:
        found = bottle.request.json
    except bottle.HTTPError:  # no JSON
        found = None
    if not isinstance(found, dict):
        raise bottle.HTTPError(400, "the body has to be a JSON object")
    return found


def ask(address: str, data: object = None) -> Any:
    """GET, or POST `data`; returns the answer's object. Raises `ServiceError`."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise ServiceError(_why(error)) from None
    except (OSError, ValueError) as error:
        raise ServiceError(f"{address}: {getattr(error, 'reason', error)}") from None


def _why(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: {error}"


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests show results, not requests."""


@contextmanager
def served(app: bottle.Bottle) -> Iterator[str]:
    """The application at a port of this machine, for a test; gives its address."""
    server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
