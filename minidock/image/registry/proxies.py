"""Proxies from the environment, as docker and most programs read it: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.

NO_PROXY lists hosts that are connected to directly: `*`, hosts with their subdomains, addresses, networks (10.0.0.0/8),
each with an optional port (golang.org/x/net/http/httpproxy, Config.NoProxy). So is this machine, always.
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from minidock.image.registry.registry_settings import is_loopback


def proxy_for(url: str) -> str | None:
    """The URL of the proxy for `url`, or None."""
    parts = urlsplit(url)
    proxy = variable(f"{parts.scheme}_proxy")
    if not proxy or is_loopback(parts.netloc) or _bypassed(parts.hostname or "", parts.port, parts.scheme):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def variable(name: str) -> str:
    """The environment's variable of that name, in small letters or in capitals."""
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _bypassed(host: str, port: int | None, scheme: str) -> bool:
    actual_port = port or {"http": 80, "https": 443}[scheme]
    for entry in variable("no_proxy").lower().split(","):
        pattern, wanted_port = _split_port(entry.strip())
        if pattern and wanted_port in (None, actual_port) and (pattern == "*" or _matches(host, pattern)):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _matches(host: str, pattern: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        pass
    suffix = pattern.removeprefix("*").removeprefix(".")
    # A pattern with a leading dot means subdomains only.
    return host.endswith(f".{suffix}") or (host == suffix and not pattern.startswith((".", "*")))
