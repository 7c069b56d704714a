"""Upload of one blob (spec.md, "Pushing Blobs", "Mounting a blob from another repository").

A small blob is sent in one request (POST for a location, PUT of all of it). A large one is sent in pieces (PATCH), so
that a broken connection costs one piece: the registry is asked how much it has, and is sent the rest.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urlencode, urljoin

from minidock.errors import printable
from minidock.image.registry.failures import RegistryError
from minidock.image.registry.manifests import Blob
from minidock.image.registry.repository import Repository
from minidock.image.registry.transport import Answer

PIECE = 64 << 20  # bytes in one PATCH, unless the registry wants larger ones
_OCTETS = "application/octet-stream"
_COMMIT_SECONDS = 600.0  # a registry may hash or move a large blob before it answers
_ROUNDS_MAX = 5

# Called with the number of bytes that the registry has.
Watcher = Callable[[int], None]


class Upload:
    """The upload of one blob, whose content is the file at `path`."""

    def __init__(self, repository: Repository, blob: Blob, path: str, watch: Watcher) -> None:
        self._repository, self._client = repository, repository.client
        self._blob, self._path, self._watch = blob, path, watch
        self._place = ""
        self._piece = PIECE
        self._asked = f"upload of {blob.digest} to {repository.name.familiar_name}"

    def mount(self, source: str) -> bool:
        """Have the registry mount the blob from its repository `source`; returns False if it cannot."""
        query = urlencode({"mount": self._blob.digest, "from": source})
        scopes = (*self._repository.push_scope, f"repository:{source}:pull")
        answer = self._client.call(
            "POST",
            f"{self._repository.base}/blobs/uploads/?{query}",
            asked=self._asked,
            scopes=scopes,
            headers={"Content-Length": "0"},
            accept=(201, 202, 401, 403, 404),
        )
        if answer.status == 202:
            self._moved(answer)  # not mounted, but this is a place to upload to
        self._client.transport.discard(answer)
        return answer.status == 201

    def run(self) -> None:
        """Upload. Raises `RegistryError` or another of the client's exceptions."""
        for attempt in range(1, _ROUNDS_MAX + 1):
            if not self._place:
                self._begin()
            try:
                self._send_all()
                return
            except RegistryError:
                # The upload's location may have expired: begin again with a new one.
                self._place = ""
                if attempt == _ROUNDS_MAX:
                    raise
                self._client.transport.sleep(0.25 * 2**attempt)

    def _begin(self) -> None:
        answer = self._call("POST", f"{self._repository.base}/blobs/uploads/", (202,), {"Content-Length": "0"})
        self._moved(answer)
        smallest = answer.headers.get("OCI-Chunk-Min-Length") or "0"
        self._piece = max(PIECE, int(smallest) if smallest.isdecimal() else 0)
        self._client.transport.discard(answer)

    def _send_all(self) -> None:
        at = 0
        if self._blob.size > self._piece:
            while at < self._blob.size:
                at = self._send_piece(at)
        self._finish(at)

    def _send_piece(self, at: int) -> int:
        """Send the piece that begins at byte `at`, and return where the next one begins."""
        size = min(self._piece, self._blob.size - at)
        headers = {
            "Content-Type": _OCTETS,
            "Content-Length": str(size),
            "Content-Range": f"{at}-{at + size - 1}",
        }
        try:
            answer = self._call("PATCH", self._place, (202,), headers, (at, size), attempts=1)
        except RegistryError:
            return self._continued(at)
        self._moved(answer)
        self._client.transport.discard(answer)
        return at + size

    def _continued(self, at: int) -> int:
        """After a broken connection: how many bytes the registry has."""
        answer = self._call("GET", self._place, (204,))
        self._moved(answer)
        match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range") or "")
        self._client.transport.discard(answer)
        reached = int(match[1]) + 1 if match and match[1] != "0" else 0
        if not at <= reached <= self._blob.size or reached == at:
            raise RegistryError(f"{self._asked}: the registry has {reached} bytes and gets no further")
        return reached

    def _finish(self, at: int) -> None:
        """Send the rest, and have the registry check and store the blob."""
        separator = "&" if "?" in self._place else "?"
        url = f"{self._place}{separator}{urlencode({'digest': self._blob.digest})}"
        size = self._blob.size - at
        headers = {"Content-Length": str(size), "Content-Type": _OCTETS}
        answer = self._call("PUT", url, (201, 204), headers, (at, size), attempts=1)
        self._client.transport.discard(answer)

    def _call(
        self,
        method: str,
        url: str,
        accept: tuple[int, ...],
        headers: dict[str, str] | None = None,
        part: tuple[int, int] | None = None,
        attempts: int = 3,
    ) -> Answer:
        body = (lambda: _Part(self._path, *part, self._told)) if part and part[1] else None
        return self._client.call(
            method,
            url,
            asked=self._asked,
            scopes=self._repository.push_scope,
            headers=headers,
            body=body,
            accept=accept,
            attempts=attempts,
            silence=_COMMIT_SECONDS,
        )

    def _told(self, done: int) -> None:
        self._client.transport.check()
        self._watch(done)

    def _moved(self, answer: Answer) -> None:
        """Note the location at which the upload continues: each answer may name another."""
        where = answer.headers.get("Location")
        if not where:
            raise RegistryError(f"{self._asked}: the registry names no place to upload to")
        self._place = urljoin(f"{self._client.endpoint.url}/", where)
        if not self._place.startswith(("http://", "https://")):
            raise RegistryError(f"{self._asked}: {printable(where)} is no place to upload to")


class _Part(io.RawIOBase):
    """`size` bytes of a file from `start` on, read once, for a request's body."""

    def __init__(self, path: str, start: int, size: int, watch: Watcher) -> None:
        self._file: IO[bytes] = open(path, "rb", buffering=0)  # noqa: SIM115 - closed at its end
        self._file.seek(start)
        self._at, self._left, self._watch = start, size, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:  # asked once more after the end, which closed the file
            return 0
        data = self._file.read(min(len(buffer), self._left))
        if not data:
            raise OSError(f"{self._file.name} is shorter than it was")
        buffer[: len(data)] = data
        self._at += len(data)
        self._left -= len(data)
        self._watch(self._at)
        if not self._left:
            self._file.close()
        return len(data)
