"""The X-ray page with live values, served over HTTP on the loopback interface.

The page shows what root sees of the container, so access is limited in three ways. The socket is bound to the loopback
interface. A request is answered only if its Host header names this machine: a web page whose name was made to resolve
to 127.0.0.1 (DNS rebinding) has another. And the address contains a key, new for each server: every user of the machine
and every container in the host's network can connect to loopback.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from minidock.errors import HostError, MinidockError, NotFoundError
from minidock.explain import json_form
from minidock.explain.translations import say
from minidock.explain.xray.collect import Look
from minidock.explain.xray.html_page import page, sections
from minidock.explain.xray.model import Xray
from minidock.explain.xray.trend import Trend

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
_FRESH = 0.5  # seconds for which collected data are reused
_RESTS = 3  # pause between two collections, as a multiple of the time that one took


class Live:
    """The latest data, and those of the last minute. Safe for any number of threads."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.trend = Trend()
        self._lock = threading.Lock()
        self._newest: Xray | None = None
        self._taken = 0.0

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """(media type, content) for a path below the key; None for an unknown one.

        Raises `NotFoundError` when the container is gone.
        """
        with self._lock:
            if path == "/":
                return "text/html; charset=utf-8", page(self._now(), self.trend).encode()
            if path == "/data.json":
                return "application/json", json_form.as_json(self._now()).encode()
            if path == "/sections.json":
                return "application/json", json.dumps(sections(self._now(), self.trend)).encode()
        return None

    def _now(self) -> Xray:
        # Collecting may take long (a million files); pauses keep the machine usable.
        fresh = max(_FRESH, _RESTS * self._newest.took) if self._newest else 0
        if self._newest is None or time.monotonic() - self._taken > fresh:
            self._newest = self.look.take()
            self._taken = time.monotonic()
            self.trend.add(self._newest)
        return self._newest


class Handler(BaseHTTPRequestHandler):
    """One browser's requests."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version, sys_version = "minidock", ""
    live: Live
    key: str

    def do_GET(self) -> None:
        """GET: the page, or its data."""
        if not is_ours(self.headers.get("Host", "")):
            self._send(403, "text/plain", b"this server answers to localhost only\n")
            return
        key, slash, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            self._send(403, "text/plain", b"the address is the one that minidock printed, with its key\n")
            return
        try:
            found = self.live.answer(slash + rest)
        except NotFoundError as error:
            self._send(410, "text/plain", f"{error}\n".encode(errors="backslashreplace"))
        except (MinidockError, OSError) as error:
            self._send(500, "text/plain", f"{error}\n".encode(errors="backslashreplace"))
        else:
            self._send(200, *found) if found else self._send(404, "text/plain", b"there is no such page\n")

    do_HEAD = do_GET

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write nothing: the terminal is the user's."""


def is_ours(host: str) -> bool:
    """Whether a Host header names this machine, with whatever port: a tunnel may have given it another."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower() in NAMES


def serve(look: Look, port: int, announce: Callable[[str], object]) -> None:
    """Serve the page until Ctrl-C; port 0 is any free one. The address goes to `announce`.

    Raises `HostError` if the port cannot be had.
    """
    live = Live(look)
    key = secrets.token_urlsafe(16)
    handler = type("BoundHandler", (Handler,), {"live": live, "key": key})
    try:
        server = ThreadingHTTPServer((ADDRESS, port), handler)
    except OSError as error:
        raise HostError(f"cannot serve on {ADDRESS}:{port}: {error.strerror}: choose another --port") from error
    server.daemon_threads = True
    with server, suppress(KeyboardInterrupt):
        announce(say("serving", name=look.name, url=f"http://{ADDRESS}:{server.server_address[1]}/{key}/"))
        server.serve_forever(poll_interval=0.2)
