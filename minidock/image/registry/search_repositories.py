"""Search: Docker Hub's own interface for its images, the catalogue for any other registry's.

Hub: GET https://index.docker.io/v1/search?q=TERM&n=LIMIT (docs.docker.com, Engine API, ImageSearch; not part of
the distribution protocol). Others: GET /v2/_catalog (distribution.github.io, "Listing Repositories"), which
lists names and nothing else, and which many registries do not have.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from minidock.errors import NotFoundError, printable
from minidock.image.registry.failures import Denied, RegistryError
from minidock.image.registry.http_client import Client, Endpoint
from minidock.image.registry.registry_settings import HUB, HUB_INDEX
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import pages_of
from minidock.named_tuple import NamedTuple

_ANSWER_BYTES = 4 << 20


class Found(NamedTuple):
    """A repository, as its registry describes it."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False


def search(remote: Remote, term: str, limit: int) -> list[Found]:
    """At most `limit` repositories whose name or description has to do with `term`.

    `registry.lan:5000/term` searches that registry. Raises `RegistryUnreachable`, `Denied` or `RegistryError`.
    """
    domain, slash, rest = term.partition("/")
    if slash and ("." in domain or ":" in domain or domain == "localhost"):
        if domain not in (HUB, "index.docker.io"):
            return _catalogue(remote.client(domain), domain, rest)[:limit]
        term = rest
    hub = remote.at(Endpoint(HUB, HUB_INDEX.removesuffix("/v1/")))
    return _hub(hub, term.removeprefix("library/"), limit)


def _hub(hub: Client, term: str, limit: int) -> list[Found]:
    query = urlencode({"q": term, "n": limit})
    answer = hub.call("GET", f"v1/search?{query}", asked="search of Docker Hub")
    body = hub.small_body(answer, _ANSWER_BYTES)
    try:
        results: list[Any] = json.loads(body)["results"]
        return [
            Found(
                printable(one["name"]),
                printable(one.get("description") or "", 2000),
                int(one.get("star_count") or 0),
                bool(one.get("is_official")),
            )
            for one in results[:limit]
        ]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise RegistryError(f"search of Docker Hub: its answer is none ({printable(error)})") from error


def _catalogue(client: Client, domain: str, term: str) -> list[Found]:
    try:
        pages = list(pages_of(client, "v2/_catalog", f"search of {domain}", ("registry:catalog:*",)))
    except Denied as error:
        raise Denied(f"{domain} does not let you list its repositories: {error}") from error
    except NotFoundError as error:
        raise NotFoundError(f"{domain} cannot be searched: it has no catalogue of its repositories") from error
    names = [str(name) for page in pages for name in page.get("repositories") or ()]
    return [Found(printable(f"{domain}/{name}")) for name in names if term in name]
