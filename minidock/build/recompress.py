"""compression=zstd, uncompressed: the layers of an image in another form than the store's gzip.

Docker's reference, "Image and registry exporters", "compression"; OCI image spec, layer.md, "+zstd Media Types". The
files are the same, and so is each diff ID; the blobs are others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidock.build.request import Compression
from minidock.build.stage import Stage
from minidock.image.layer_cache import Layer
from minidock.image.media_types import LAYER_TYPE, PLAIN_LAYER_TYPE, ZSTD_LAYER_TYPE
from minidock.image.store_writer import Ingest
from minidock.image.unpack_layers import LayerSource


class _Plain:
    """No compression at all."""

    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _zstd(level: int | None) -> Any:
    from zstandard import ZstdCompressor

    return ZstdCompressor(level=3 if level is None else level).compressobj()


def _gzip(level: int | None) -> Any:
    from minidock.image.compression import gzip_compressor

    return gzip_compressor()


# The layer's media type, and what compresses it.
_KINDS: dict[str, tuple[str, Callable[[int | None], Any]]] = {
    "gzip": (LAYER_TYPE, _gzip),
    "uncompressed": (PLAIN_LAYER_TYPE, lambda level: _Plain()),
    "zstd": (ZSTD_LAYER_TYPE, _zstd),
}


def recompress(ingest: Ingest, stage: Stage, wanted: Compression) -> None:
    """Put layers of this form in the place of those that the build has made; `forced`: also of the base image's."""
    media_type, maker = _KINDS[wanted.kind]
    for position, layer in enumerate(stage.layers):
        if layer.media_type == media_type or (position < stage.inherited and not wanted.forced):
            continue
        packer = maker(wanted.level)
        writer = ingest.blob_writer()
        with open(ingest.store.blob_path(layer.digest), "rb", buffering=0) as file:
            for chunk in LayerSource(file).chunks():
                writer.write(packer.compress(chunk))
        writer.write(packer.flush())
        stage.layers[position] = Layer(layer.diff_id, ingest.publish(writer), writer.size, media_type)
