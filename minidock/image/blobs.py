"""Blobs: files named by the hash of their content, in an OCI image layout (OCI image spec, image-layout.md).

A blob gets its name only after all of it was written and its hash is right, by rename(2). So a blob that is
there is whole and true; nobody has to check it again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidock.errors import HostError, NotFoundError
from minidock.image.digest import DigestMismatch, hex_of
from minidock.state import directory

if TYPE_CHECKING:
    from minidock.image.compression import Reader

_CHUNK = 256 << 10


class BlobWriter:
    """A blob that is being written. `Ingest.publish` gives it its name; until then it is a temporary file."""

    def __init__(self, path: str) -> None:
        from hashlib import sha256

        self.path = path
        self.size = 0
        self._hash = sha256()
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)

    def close(self) -> str:
        """End the writing; returns the digest of what was written."""
        self._file.close()
        return f"sha256:{self._hash.hexdigest()}"

    def finish(self, expected: str | None = None) -> str:
        """The digest of what was written, now on disk; `DigestMismatch` if it is not the `expected` one."""
        digest = self.close()
        if expected is not None and digest != expected:
            raise DigestMismatch(f"the content has the digest {digest}, not the promised {expected}: refused")
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        return digest


def blob_path(images: str, digest: str) -> str:
    """Where the blob of this digest is, in the image layout at `images`."""
    return os.path.join(images, "blobs", "sha256", hex_of(digest))


def read_blob(images: str, digest: str, limit: int) -> bytes:
    """A small blob (manifest, config) of at most `limit` bytes."""
    try:
        with open(blob_path(images, digest), "rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFoundError(f"the store has lost the blob {digest}: pull or import the image again") from None
    if len(content) > limit:
        raise HostError(f"the blob {digest} has more than {limit} bytes, too many for a manifest or config")
    return content


def copy(source: Reader, writer: BlobWriter) -> None:
    """Write all of `source` into a blob."""
    while data := source.read(_CHUNK):
        writer.write(data)


def publish(images: str, writer: BlobWriter, digest: str) -> None:
    """Give a finished blob its name."""
    path = blob_path(images, digest)
    directory(os.path.dirname(images), "images", "blobs", "sha256")
    os.chmod(writer.path, 0o644)
    os.rename(writer.path, path)
