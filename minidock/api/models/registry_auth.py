"""Credentials for registries that come with a request: X-Registry-Auth, base 64 (RFC 4648, 5) of a JSON object."""

from __future__ import annotations

import base64
import json
from typing import Any

from minidock.api.models.fields import Fields
from minidock.errors import UsageError
from minidock.image.registry.registry_settings import Credentials


def lookup(headers: dict[str, str]) -> Any:
    """What tells a registry's client who asks: whoever the header says, for whichever registry; else nobody.

    The credentials that are kept on this machine are root's, and not for whoever may write to the socket.
    """
    text = headers.get("x-registry-auth", "")
    found = of(Fields.of(_decoded(text))) if text else Credentials()
    known = found if any(found) else None
    return lambda _: known


def several(headers: dict[str, str]) -> Any:
    """The same for X-Registry-Config, which has credentials by registry, for builds.

    A registry may be named by its address, as docker's older configurations have it (docker: registry/auth.go).
    """
    text = headers.get("x-registry-config", "")
    rows = Fields({"all": _decoded(text, "X-Registry-Config")}).children_by_name("all") if text else {}
    known = {name: of(row) for name, row in rows.items()}
    by_host = {_host(name): keys for name, keys in known.items()}
    return lambda name: known.get(name) or by_host.get(_host(name))


def _host(name: str) -> str:
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def of(row: Fields) -> Credentials:
    """One AuthConfig."""
    username, password = row.text("username"), row.text("password")
    if (pair := row.text("auth")) and not password:
        try:
            username, _, password = base64.b64decode(pair).decode().partition(":")
        except ValueError:
            raise UsageError("invalid X-Registry-Auth: auth is no base 64 of name:password") from None
    return Credentials(username, password, row.text("identitytoken"), row.text("registrytoken"))


def _decoded(text: str, header: str = "X-Registry-Auth") -> Any:
    try:
        padded = text + "=" * (-len(text) % 4)
        return json.loads(base64.urlsafe_b64decode(padded.replace("+", "-").replace("/", "_")) or b"{}")
    except ValueError:
        raise UsageError(f"invalid {header} header: it is no base 64 of a JSON object") from None
