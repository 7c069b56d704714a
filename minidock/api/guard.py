"""Refuse requests of web pages. A client of the socket has root's rights, and a browser sends requests for any page.

A page in a browser can send requests to any address of this machine, if something leads from a port to the socket.
Two things tell such a request from a tool's. It has an Origin (fetch standard, 3.2), unless it is a plain GET. And if
the page has changed what its own name means (DNS rebinding), it has that name in Host, where tools have none of the
internet's.
"""

from __future__ import annotations

import re

from minidock.api.connection import Request
from minidock.api.http_errors import Status

# A name without a domain, the path of a socket as some clients have it there, or an address.
_LOCAL = re.compile(r"([^.]*|[^/]*\.localhost|[^/]*(/|%2f).*|[0-9.]+|\[[0-9a-f:.]+\])(:\d+)?", re.IGNORECASE)


def check(request: Request, *, is_local: bool) -> None:
    """Raises `Status` 403 for a web page's request. One that is not local has shown a certificate, for that name."""
    if request.headers.get("origin"):
        raise Status(403, "requests of web pages are not answered (this one has an Origin)")
    host = request.headers.get("host", "")
    if is_local and not _LOCAL.fullmatch(host):
        raise Status(403, f"this is a local service, and not {host[:100]}: use a Host without a domain")
