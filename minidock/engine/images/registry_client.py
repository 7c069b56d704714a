"""A client of registries, with this machine's settings and somebody's credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from minidock.engine.images.credentials import Keychain
from minidock.engine.images.registry_config import registry_settings
from minidock.image.registry.registry_settings import FindCredentials

if TYPE_CHECKING:
    from minidock.image.registry.remote import Remote

_asked_for: list[FindCredentials] = []  # by `acting_for`, the innermost last


def open_remote(keys: FindCredentials | None = None) -> Remote:
    """`keys`: credentials, if not those of whom this process acts for: the user who runs it, unless that was said."""
    from minidock.image.registry.remote import Remote

    known = keys or (_asked_for[-1] if _asked_for else Keychain())
    return Remote(registry_settings(), known)


@contextmanager
def acting_for(keys: FindCredentials) -> Iterator[None]:
    """Inside of the block this process asks registries with these credentials: it works for another than its user."""
    _asked_for.append(keys)
    try:
        yield
    finally:
        _asked_for.pop()
