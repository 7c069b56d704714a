"""Layers: tar archives, unpacked once into directories that all containers share (book, chapter 1, 3.5.3 to 3.5.6).

A layer's name is its diff ID: the digest of the tar before compression (OCI image spec, config.md, "Layer DiffID").
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock import state
from minidock.errors import HostError, MinidockError
from minidock.image import compression
from minidock.image.compression import CorruptArchive, Reader
from minidock.image.digest import DigestMismatch
from minidock.image.layer_directories import has_layer, layer_path, layer_size
from minidock.image.locks import store_lock
from minidock.image.pipeline import CHUNK, Pipeline
from minidock.image.unpack_limits import Limits, from_environment
from minidock.image.workspace import Workspace
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.image.blobs import BlobWriter

__all__ = ["LayerSource", "has_layer", "layer_path", "layer_size", "unpack", "unpack_in"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


def unpack(stream: Reader, root: str, diff_id_expected: str | None = None) -> str:
    """Unpack a layer (tar, compressed or not) and return its diff ID.

    Nothing is visible before the layer is complete and, with `diff_id_expected`, its digest checked. Raises
    `CorruptArchive`, `UnsafePath`, `DigestMismatch`, or `HostError` for a full disk.
    """
    with Workspace(root) as workspace:
        return unpack_in(workspace, LayerSource(stream), root, diff_id_expected)


class LayerSource:
    """The tar stream inside a layer; `diff_id` is known once all of it has been read.

    With `blob` the layer is also stored in compressed form: gzip unchanged, anything else converted to gzip, which
    every other tool can read.
    """

    def __init__(self, stream: Reader, blob: BlobWriter | None = None, limits: Limits | None = None) -> None:
        from hashlib import sha256

        self.limits = limits or from_environment()
        self._stream, self._blob = stream, blob
        self._hash = sha256()
        self._start = b""
        self._copies_input = False

    @property
    def diff_id(self) -> str:
        """The digest of the tar stream."""
        return f"sha256:{self._hash.hexdigest()}"

    def read(self, size: int) -> bytes:
        """Read compressed input, copying it to the blob if it is stored unchanged."""
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
        else:
            data = self._stream.read(size)
        if self._blob and self._copies_input:
            self._blob.write(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """The tar stream in pieces."""
        start = b""
        while len(start) < compression.MAGIC_BYTES and (data := self._stream.read(CHUNK)):
            start += data
        self._start = start
        kind = compression.detect(start)
        self._copies_input = kind == "gzip"
        packer = compression.gzip_compressor() if self._blob and not self._copies_input else None
        total = 0
        for chunk in self._decompressed(kind):
            if (total := total + len(chunk)) > self.limits.layer_bytes:
                raise CorruptArchive(
                    f"the layer unpacks to more than {self.limits.layer_bytes} bytes: refused"
                    " (MINIDOCK_MAX_LAYER_BYTES changes that)"
                )
            self._hash.update(chunk)
            if self._blob and packer:
                self._blob.write(packer.compress(chunk))
            yield chunk
        if self._blob and packer:
            self._blob.write(packer.flush())

    def _decompressed(self, kind: str) -> Iterator[bytes]:
        reader = compression.decompressed(kind, self)
        failures = compression.errors() if kind else ()
        while True:
            try:
                chunk = reader.read(CHUNK)
            except failures as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # an error of the disk or the network, not of the format
                raise CorruptArchive(f"the {kind} stream is damaged ({error})") from error
            if not chunk:
                break
            yield chunk
        while self.read(CHUNK):
            pass  # data behind the compressed stream belongs to the blob and its digest


def unpack_in(workspace: Workspace, source: LayerSource, root: str, diff_id_expected: str | None = None) -> str:
    """Unpack `source` into `workspace`, then rename the result to its place below `root`; returns the diff ID."""
    from minidock.image.extract import Extractor
    from minidock.image.tarstream import TarStream

    made = os.path.join(workspace.path, f"layer-{os.urandom(4).hex()}")
    os.mkdir(made, 0o755)
    os.chmod(made, 0o755)
    size, name = 0, ""
    with step("Unpack a layer", book="3.5.4"), Pipeline(source.chunks()) as chunks:
        try:
            archive = TarStream(chunks, source.limits)
            with Extractor(made, made + ".replaced") as extractor:
                for entry in archive:
                    name = entry.name
                    extractor.add(entry, archive)
                    size += entry.size if entry.isreg() else len(entry.linkname) if entry.issym() else 0
                extractor.finish()
        except (OSError, ValueError, OverflowError) as error:
            raise _explained(error, name) from error
    if diff_id_expected is not None and source.diff_id != diff_id_expected:
        raise DigestMismatch(f"the layer unpacks to {source.diff_id}, and not to {diff_id_expected} as promised")
    _publish(workspace, made, root, source.diff_id, size)
    return source.diff_id


def _explained(error: OSError | ValueError | OverflowError, name: str) -> MinidockError:
    """The error for an entry that the kernel or Python has refused."""
    if not isinstance(error, OSError):
        return CorruptArchive(f"the tar archive is damaged: {name!r} cannot be made ({error})")
    if error.errno in _FULL:
        return HostError(f"unpacking {name!r}: {os.strerror(error.errno)}: make room and try again")
    return CorruptArchive(f"unpacking {name!r}: {error.strerror or error}")


def _publish(workspace: Workspace, made: str, root: str, diff_id: str, size: int) -> None:
    """Move the finished directory to its place, unless another process has done so: the same layer twice
    is one layer.
    """
    target = layer_path(root, diff_id)
    state.directory(root, "layers")
    with open(made + ".json", "w", encoding="utf-8") as file:
        json.dump({"size": size}, file)
    with store_lock(root, shared=True):
        workspace.keep(diff_id)
        os.rename(made + ".json", target + ".json")
        try:
            os.rename(made, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
