"""Download of one blob: hashed while it is written, and resumed where a connection broke.

After a broken connection, the next request asks for the rest (RFC 9110, 14.2, Range). The digest makes that safe:
content that does not match it is refused.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

from minidock.errors import HostError
from minidock.image.blobs import BlobWriter
from minidock.image.digest import DigestMismatch
from minidock.image.registry.failures import Interrupted, RegistryError
from minidock.image.registry.manifests import Blob
from minidock.image.registry.repository import Repository
from minidock.image.registry.transport import Answer
from minidock.image.store_writer import Ingest

_FAILURES_MAX = 5  # in a row, without this much between them:
_HEADWAY = 1 << 20
_FIRST_PAUSE = 0.25  # seconds, doubled each time

# Called with the number of bytes that have arrived.
Watcher = Callable[[int], None]


def fetch(repository: Repository, blob: Blob, ingest: Ingest, watch: Watcher) -> None:
    """Download `blob` into the store. Content with a wrong digest is fetched a second time, in case it was damaged on
    the way.
    """
    for attempt in (1, 2):
        writer = _Download(repository, blob, ingest, watch).run()
        try:
            ingest.publish(writer, blob.digest)
            return
        except DigestMismatch:
            _discard(writer)
            if attempt == 2:
                raise
        except OSError as error:
            raise _explained(error) from error


class _Download:
    """The file of one blob as it grows."""

    def __init__(self, repository: Repository, blob: Blob, ingest: Ingest, watch: Watcher) -> None:
        self._repository, self._blob, self._ingest, self._watch = repository, blob, ingest, watch
        self._writer = ingest.blob_writer()

    def run(self) -> BlobWriter:
        """Download as many bytes as the manifest says; their digest is not checked yet."""
        failures, mark = 0, 0
        while True:
            try:
                self._take(self._ask())
                return self._writer
            except Interrupted as error:
                failures = 1 if self._writer.size - mark >= _HEADWAY else failures + 1
                mark = self._writer.size
                if failures > _FAILURES_MAX:
                    host = self._repository.client.endpoint.name
                    raise RegistryError(
                        f"blob {self._blob.digest}: {host} breaks off again and again, after {self._writer.size}"
                        f" of {self._blob.size} bytes: {error}"
                    ) from error
                self._repository.client.transport.sleep(_FIRST_PAUSE * 2 ** (failures - 1))
            except OSError as error:
                raise _explained(error) from error

    def _ask(self) -> Answer:
        """Request the bytes that are missing; all of them, if the registry does not support ranges."""
        offset = self._writer.size
        answer = self._repository.blob(self._blob.digest, offset)
        if offset and not (answer.status == 206 and _first_byte(answer) == offset):
            if answer.status == 206:
                answer.close()
                raise Interrupted("the registry sends another range than was asked for")
            self._restart()
        return answer

    def _take(self, answer: Answer) -> None:
        for data in self._repository.client.transport.chunks(answer):
            if self._writer.size + len(data) > self._blob.size:
                answer.close()
                raise RegistryError(
                    f"blob {self._blob.digest}: the registry sends more than the {self._blob.size} bytes that the"
                    " manifest promises: refused"
                )
            self._writer.write(data)
            self._watch(self._writer.size)
        if self._writer.size < self._blob.size:
            raise Interrupted("the connection closed too early")

    def _restart(self) -> None:
        _discard(self._writer)
        self._writer = self._ingest.blob_writer()


def _first_byte(answer: Answer) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
    return int(match[1]) if match else -1


def _discard(writer: BlobWriter) -> None:
    os.unlink(writer.path)


def _explained(error: OSError) -> Exception:
    """What the disk said; whatever the network says comes as `Interrupted`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HostError(f"storing a layer: {os.strerror(error.errno)}: make room and try again")
    return error
