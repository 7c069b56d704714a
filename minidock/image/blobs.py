"""Blobs: files named by the hash of their content, in an OCI image layout (OCI image spec, image-layout.md).

A blob gets its name by rename(2), only after all of it was written and its hash was checked. So a blob that exists is
complete and right, and need not be checked again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minidock.errors import HostError
from minidock.image import image_config
from minidock.image.digest import DigestMismatch, hex_of, of_bytes
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.state import DamagedError, directory

if TYPE_CHECKING:
    from minidock.image.compression import Reader

_CHUNK = 256 << 10
_CURE = "pull, load or import the image again, or remove it with rmi -f"


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
        """Close the file; returns the digest of what was written."""
        self._file.close()
        return f"sha256:{self._hash.hexdigest()}"

    def finish(self, expected: str | None = None) -> str:
        """The digest of what was written, now on disk; raises `DigestMismatch` if it is not `expected`."""
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
    """The path of the blob of this digest, in the image layout at `images`."""
    return os.path.join(images, "blobs", "sha256", hex_of(digest))


def read_blob(images: str, digest: str, limit: int) -> bytes:
    """A small blob (manifest, config) of at most `limit` bytes. Raises `DamagedError` if there is none."""
    path = blob_path(images, digest)
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise DamagedError(path, "it is missing", _CURE) from None
    except IsADirectoryError:
        raise DamagedError(path, "it is a directory", _CURE) from None
    if len(content) > limit:
        raise HostError(f"the blob {digest} has more than {limit} bytes, too many for a manifest or config")
    return content


def read_json(images: str, digest: str) -> dict[str, Any]:
    """The object in a manifest or config. Raises `DamagedError` for anything else.

    Its digest is not checked, as hashing takes an import and every `run` reads one; `is_sound` checks it.
    """
    try:
        content = json.loads(read_blob(images, digest, MANIFEST_BYTES))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DamagedError(blob_path(images, digest), "no JSON object", _CURE)
    return content


def read_config(images: str, digest: str) -> dict[str, Any]:
    """An image's configuration. Raises `DamagedError`, or `MalformedConfig` for one that another tool has put here."""
    try:
        return image_config.parse(read_blob(images, digest, MANIFEST_BYTES))
    except image_config.MalformedConfig as error:
        if is_sound(images, digest):
            raise
        raise DamagedError(blob_path(images, digest), str(error), _CURE) from error


def read_sound(images: str, digest: str) -> dict[str, Any]:
    """The object in a manifest or config whose digest is right. Raises `DamagedError` otherwise."""
    content = read_json(images, digest)
    if not is_sound(images, digest):
        raise DamagedError(blob_path(images, digest), "its digest is another one", _CURE)
    return content


def is_sound(images: str, digest: str) -> bool:
    """Whether a manifest or config exists and its digest is right."""
    try:
        return of_bytes(read_blob(images, digest, MANIFEST_BYTES)) == digest
    except HostError:
        return False


def copy(source: Reader, writer: BlobWriter) -> None:
    """Write all of `source` into a blob."""
    while data := source.read(_CHUNK):
        writer.write(data)


def publish(images: str, writer: BlobWriter, digest: str) -> None:
    """Give a finished blob its name."""
    path = blob_path(images, digest)
    directory(os.path.dirname(images), "images", "blobs", "sha256")
    os.chmod(writer.path, 0o644)
    with suppress(FileNotFoundError, NotADirectoryError):
        os.rmdir(path)  # in the place of one that is damaged
    os.rename(writer.path, path)
