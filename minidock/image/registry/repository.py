"""A repository in a registry: the requests of the distribution protocol (OCI distribution-spec, spec.md).

GET  /v2/                             ping
HEAD, GET, PUT /v2/<name>/manifests/<tag or digest>
HEAD, GET /v2/<name>/blobs/<digest>
POST /v2/<name>/blobs/uploads/        then PATCH and PUT where the answer's Location says: `blob_upload.py`
GET  /v2/<name>/tags/list
GET  /v2/_catalog                     of docker's registry
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urljoin

from minidock.errors import NotFoundError, printable
from minidock.image.digest import DigestMismatch, is_digest, of_bytes
from minidock.image.reference import Reference
from minidock.image.registry.failures import Denied, RegistryError
from minidock.image.registry.http_client import ATTEMPTS, Client
from minidock.image.registry.manifests import ACCEPT
from minidock.image.registry.transport import Answer
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.named_tuple import NamedTuple

_LIST_BYTES = 4 << 20
_PAGES_MAX = 1000


class Document(NamedTuple):
    """A manifest or an index as a registry gave it, its digest verified."""

    content: bytes
    media_type: str
    digest: str


class Repository:
    """One repository, reached through one endpoint."""

    def __init__(self, client: Client, name: Reference) -> None:
        self.client, self.name = client, name
        self.base = f"v2/{name.path}"
        self.pull_scope = (f"repository:{name.path}:pull",)
        self.push_scope = (f"repository:{name.path}:pull,push",)

    def manifest_digest(self, reference: str) -> str | None:
        """The digest of `reference` (a tag or a digest), by HEAD; None if the registry does not send it.

        HEAD before GET: it is short, and Docker Hub's limits do not count it.
        """
        try:
            answer = self._manifest("HEAD", reference, accept=(200, 405))
        except Denied:
            return None  # GET is refused too, with the reason in its body
        digest = answer.headers.get("Docker-Content-Digest")
        self.client.transport.discard(answer)
        return digest if answer.status == 200 and is_digest(digest) else None

    def manifest(self, reference: str) -> Document:
        """The manifest or index that `reference` means, at most 4 MiB of it (spec.md, "Pushing Manifests").

        Raises `DigestMismatch` if it does not match its digest, or the one that the registry has sent.
        """
        answer = self._manifest("GET", reference)
        said = answer.headers.get("Docker-Content-Digest")
        media_type = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        content = self.client.small_body(answer, MANIFEST_BYTES)
        digest = of_bytes(content)
        for expected in (reference if ":" in reference else None, said):
            if expected and expected.startswith("sha256:") and expected != digest:
                raise DigestMismatch(
                    f"the manifest of {self._called(reference)} has the digest {digest}, not the promised"
                    f" {printable(expected)}: refused"
                )
        return Document(content, media_type, digest)

    def blob(self, digest: str, offset: int = 0) -> Answer:
        """A blob, from the byte `offset` on if the registry can do that (status 206), its body yet to be read."""
        return self.client.call(
            "GET",
            f"{self.base}/blobs/{digest}",
            asked=f"blob {digest} of {self.name.familiar_name}",
            scopes=self.pull_scope,
            headers={"Range": f"bytes={offset}-"} if offset else {},
            accept=(200, 206) if offset else (200,),
        )

    def has_blob(self, digest: str) -> bool:
        """Whether the registry has this blob."""
        answer = self.client.call(
            "HEAD",
            f"{self.base}/blobs/{digest}",
            asked=f"blob {digest} of {self.name.familiar_name}",
            scopes=self.push_scope,
            accept=(200, 404),
        )
        self.client.transport.discard(answer)
        return answer.status == 200

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Make `reference` mean this manifest, whose config and layers are there already."""
        answer = self.client.call(
            "PUT",
            f"{self.base}/manifests/{reference}",
            asked=f"push of {self._called(reference)} to {self.client.endpoint.name}",
            scopes=self.push_scope,
            headers={"Content-Type": media_type},
            body=lambda: content,
            accept=(200, 201, 202),
        )
        self.client.transport.discard(answer)
        said = answer.headers.get("Docker-Content-Digest")
        if said and said.startswith("sha256:") and said != of_bytes(content):
            raise DigestMismatch(
                f"{self.client.endpoint.name} has stored {self._called(reference)} as {printable(said)},"
                f" not as {of_bytes(content)}: something on the way changes what passes"
            )

    def tags(self) -> list[str]:
        """All tags, in the registry's order."""
        asked = f"tags of {self.name.familiar_name}"
        pages = pages_of(self.client, f"{self.base}/tags/list", asked, self.pull_scope)
        return [str(tag) for page in pages for tag in page.get("tags") or ()]

    def _manifest(self, method: str, reference: str, accept: tuple[int, ...] = (200,)) -> Answer:
        try:
            return self.client.call(
                method,
                f"{self.base}/manifests/{reference}",
                asked=f"pull of {self._called(reference)} from {self.client.endpoint.name}",
                scopes=self.pull_scope,
                headers={"Accept": ", ".join(ACCEPT)},
                accept=accept,
            )
        except Denied as error:
            # Without authorization a registry does not reveal whether a repository exists.
            raise Denied(
                f"pull access denied for {self.name.familiar_name}, repository does not exist or may require"
                f" 'minidock login': {error}"
            ) from error
        except NotFoundError:
            raise NotFoundError(f"manifest for {self._called(reference)} not found: manifest unknown") from None

    def _called(self, reference: str) -> str:
        tag, digest = (None, reference) if ":" in reference else (reference, None)
        return self.name._replace(tag=tag, digest=digest).familiar


def ping(client: Client, attempts: int = ATTEMPTS) -> Answer:
    """Check that this is a registry, and that it accepts the credentials (spec.md, "Determining Support").

    Raises `Denied` if it refuses them, and `RegistryError` if it is not a registry.
    """
    asked = f"login to {client.endpoint.name}"
    answer = client.call("GET", "v2/", asked=asked, accept=(200,), attempts=attempts)
    client.transport.discard(answer)
    return answer


def pages_of(client: Client, url: str, asked: str, scopes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """A list that comes in pages, each naming the next one (spec.md, "Listing Tags"; RFC 8288, Link)."""
    query = urlencode({"n": 1000})
    target = f"{url}?{query}"
    for _ in range(_PAGES_MAX):
        answer = client.call("GET", target, asked=asked, scopes=scopes)
        following = _next_page(answer.headers.get("Link") or "")
        body = client.small_body(answer, _LIST_BYTES)
        try:
            page = json.loads(body)
        except ValueError:
            page = None
        if not isinstance(page, dict):
            raise RegistryError(f"{asked}: {client.endpoint.name} does not answer with JSON")
        yield page
        if not following:
            return
        target = urljoin(urljoin(f"{client.endpoint.url}/", target), following)
        if not client.is_own(target):
            raise RegistryError(f"{asked}: the next page would be elsewhere, at {printable(target)}")


def _next_page(link: str) -> str:
    """The URL in `<url>; rel="next"`, or ''."""
    url, _, parameters = link.partition(">")
    is_next = "rel=next" in parameters.replace('"', "").replace(" ", "").lower()
    return url.removeprefix("<").strip() if is_next else ""
