"""`search`: search a registry's repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.engine.images.registry_client import open_remote
from minidock.image.registry.registry_settings import FindCredentials

if TYPE_CHECKING:
    from minidock.image.registry.search_repositories import Found


def search_registry(term: str, limit: int, keys: FindCredentials | None = None) -> list[Found]:
    """Repositories on Docker Hub, or in the registry that `term` begins with."""
    from minidock.image.registry.search_repositories import search

    with open_remote(keys) as remote:
        return search(remote, term, limit)
