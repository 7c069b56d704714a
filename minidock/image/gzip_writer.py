"""Gzip as layers are stored: what becomes smaller is compressed, what does not is put in as it is.

A layer often holds what is compressed already (archives, pictures, packages). To compress that once more takes most of
the time of a large COPY, and gives nothing. So each block is tried by its beginning; one that would stay as large
becomes stored blocks of the same stream (RFC 1951, 3.2.4), which cost a copy. Any gunzip reads it.

The result depends on the input alone, however it comes in pieces: blocks have one size, there is no name and no time
(RFC 1952, 2.3.1).
"""

from __future__ import annotations

import struct
from typing import Any

_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no flags, no time, an unknown system
_BLOCK = 256 << 10
_SAMPLE = 16 << 10
_WORTH = 0.95  # of its size: what stays larger is not worth the time
_STORED = 0xFFFF  # bytes of one stored block at most


class GzipWriter:
    """`compress(data)` and at the end `flush()` give the stream, as zlib's compressor does."""

    def __init__(self) -> None:
        from isal import isal_zlib

        self._zlib: Any = isal_zlib
        self._deflate = isal_zlib.compressobj(1, wbits=-15)
        self._pending = bytearray()
        self._crc = 0
        self._size = 0
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        """What `data` adds to the stream, as far as whole blocks go."""
        out: list[bytes | memoryview] = []
        if not self._begun:
            self._begun = True
            out.append(_HEADER)
        self._crc = self._zlib.crc32(data, self._crc)
        self._size += len(data)
        view = memoryview(data)
        if self._pending:
            missing = _BLOCK - len(self._pending)
            self._pending += view[:missing]
            view = view[missing:]
            if len(self._pending) == _BLOCK:
                out += self._block(memoryview(bytes(self._pending)))
                self._pending.clear()
        while len(view) >= _BLOCK:
            out += self._block(view[:_BLOCK])
            view = view[_BLOCK:]
        self._pending += view
        return b"".join(out)

    def flush(self) -> bytes:
        """The end of the stream."""
        head = self.compress(b"")
        rest = self._block(memoryview(bytes(self._pending))) if self._pending else []
        end = self._deflate.flush()
        return b"".join([head, *rest, end, struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)])

    def _block(self, data: memoryview) -> list[bytes | memoryview]:
        sample = data[:_SAMPLE]
        if len(self._zlib.compress(sample, 1)) < len(sample) * _WORTH:
            # Flushed, the stream is at a byte's border, and nothing that follows refers to what is before.
            return [self._deflate.compress(data), self._deflate.flush(self._zlib.Z_FULL_FLUSH)]
        found: list[bytes | memoryview] = []
        for start in range(0, len(data), _STORED):
            piece = data[start : start + _STORED]
            found += [struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF), piece]
        return found
