"""Compression formats, recognized by their magic numbers, since tar files carry no content type.

gzip is read with ISA-L (python-isal): it decompresses about 2.5 times as fast as zlib, and releases the interpreter
lock while it does. Other modules are imported when their format occurs.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, Protocol, cast

from minidock.errors import MinidockError

# Longest first read that is needed to know: xz's magic number has six bytes.
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_SKIPPABLE = {bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60)}  # RFC 8878, 3.1.2: zstd's own
MAGIC_BYTES = 6
_XZ_MEMORY = 256 << 20  # `xz -9` needs 65 MiB to unpack
_BUFFER = 256 << 10


class Reader(Protocol):
    """A stream to read from: `read(n)` returns up to n bytes, and none at the end."""

    def read(self, size: int, /) -> bytes: ...


class CorruptArchive(MinidockError):
    """An archive that is damaged, truncated, or not an archive."""


def detect(start: bytes) -> str:
    """The compression of a stream that begins with `start`: gzip, bzip2, xz, zstd, or "" for none."""
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    return "zstd" if start[:4] in _SKIPPABLE else ""


def decompressed(kind: str, source: Reader) -> Reader:
    """A reader of the decompressed content of `source`. Each format may consist of several parts (members)."""
    return {"": _plain, "gzip": _gzip, "bzip2": _bzip2, "xz": _xz, "zstd": _zstd}[kind](source)


def gzip_compressor() -> Any:
    """A compressor whose result depends on the input alone."""
    from minidock.image.gzip_writer import GzipWriter

    return GzipWriter()


def errors() -> tuple[type[Exception], ...]:
    """The exceptions of the decompressors for damaged input."""
    from lzma import LZMAError

    from isal.isal_zlib import error
    from zstandard import ZstdError

    return (EOFError, cast("type[Exception]", error), LZMAError, ZstdError, OSError, ValueError)


def _plain(source: Reader) -> Reader:
    return source


def _gzip(source: Reader) -> Reader:
    from isal import igzip

    return igzip.IGzipFile(fileobj=_as_file(source), mode="rb")  # type: ignore[no-untyped-call]


def _bzip2(source: Reader) -> Reader:
    from bz2 import BZ2File

    return BZ2File(_as_file(source))


def _xz(source: Reader) -> Reader:
    from lzma import LZMADecompressor

    return _Members(source, lambda: LZMADecompressor(memlimit=_XZ_MEMORY), padding=b"\0")


def _zstd(source: Reader) -> Reader:
    from zstandard import ZstdDecompressor

    # Its stream_reader takes a stream that is cut off for one that has ended, so it is of no use here.
    return _Members(source, lambda: ZstdDecompressor().decompressobj())


class _Members:
    """Reads a stream made of one compressed part after another, of a kind whose decompressor does only one.

    Input goes in by small steps, which bounds what comes out of each: at most 64 MiB, even from a bomb.
    """

    _STEP = 2048

    def __init__(self, source: Reader, make: Callable[[], Any], padding: bytes = b"") -> None:
        self._source, self._make, self._padding = source, make, padding
        self._member: Any = None
        self._input = b""
        self._begun = False

    def read(self, size: int) -> bytes:
        """The next piece, of whatever length is at hand; none at the end. `EOFError` if the stream is cut off."""
        output = bytearray()
        while len(output) < size:
            if not self._input and not (data := self._source.read(_BUFFER)):
                if self._begun:
                    raise EOFError("the compressed stream ends too early")
                break
            self._input = self._input or data
            self._step(output)
        return bytes(output)

    def _step(self, output: bytearray) -> None:
        if not self._begun:
            self._input = self._input.lstrip(self._padding) if self._padding else self._input
            if not self._input:
                return
            self._member, self._begun = self._make(), True
        step, self._input = self._input[: self._STEP], self._input[self._STEP :]
        output += self._member.decompress(step)
        if self._member.eof:
            self._input, self._begun = self._member.unused_data + self._input, False


def _as_file(source: Reader) -> IO[bytes]:
    """`source` as what gzip and bz2 want: a file object. They only read it."""
    return io.BufferedReader(_Raw(source), _BUFFER)


class _Raw(io.RawIOBase):
    """The raw stream below a `BufferedReader`."""

    def __init__(self, source: Reader) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
