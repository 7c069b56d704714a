"""A client of registries, with this machine's settings and the user's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.engine.images.credentials import Keychain
from minidock.engine.images.registry_config import registry_settings
from minidock.image.registry.registry_settings import FindCredentials

if TYPE_CHECKING:
    from minidock.image.registry.remote import Remote


def open_remote(keys: FindCredentials | None = None) -> Remote:
    from minidock.image.registry.remote import Remote

    return Remote(registry_settings(), keys or Keychain())
