"""Errors of connections to registries, and the meaning of a registry's own errors (spec.md, "Error Codes")."""

from __future__ import annotations

import json
from typing import Any

from minidock.errors import MinidockError, NotFoundError, printable


class RegistryError(MinidockError):
    """A registry's answer is a refusal, or is not what the protocol says it should be."""


class RegistryUnreachable(MinidockError):
    """No registry could be reached. A refusal is another error."""


class Denied(RegistryError):
    """The registry does not let this user do this: wrong or missing credentials, or too few rights."""


class Untrusted(RegistryError):
    """The server's certificate does not prove that it is the one that was asked for."""


class Interrupted(Exception):
    """A connection broke or timed out. Another attempt may succeed; never shown to a user."""


class Stopped(Exception):
    """The transfer was cancelled: another layer failed, or the user pressed Ctrl-C."""


def from_answer(status: int, body: bytes, asked: str) -> MinidockError:
    """The exception that stands for a refusal. `asked` says what was tried: `pull alpine from docker.io`."""
    said = _own_words(body)
    text = f"{asked}: {said}" if said else f"{asked}: the registry answered {status}"
    if status == 401:
        return Denied(f"{text} (`minidock login` tells the registry who you are)")
    if status == 403:
        return Denied(text)
    if status == 404:
        return NotFoundError(text)
    if status == 429:
        return RegistryError(f"{text} (too many requests: wait, or log in for a higher limit)")
    return RegistryError(text)


def _own_words(body: bytes) -> str:
    """The first error of `{"errors": [{"code": ..., "message": ..., "detail": ...}]}`, as docker prints it."""
    try:
        answer: Any = json.loads(body)
        first = answer["errors"][0]
        code = str(first.get("code", "")).lower().replace("_", " ")
        message = first.get("message") or first.get("detail") or ""
    except (ValueError, TypeError, LookupError, AttributeError):
        return ""
    return printable(f"{code}: {message}" if code else message)
