"""Rotated files of a log, compressed: gzip, as docker has it (moby: daemon/logger/loggerutils/logfile.go)."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress

_CHUNK = 1 << 20
_GZIP = 31  # zlib's word for its largest window, in gzip's format
_QUICK = 1  # the container waits meanwhile


def pack(source: str, target: str) -> None:
    """Make `target` of the file `source`, and remove that. Killed half-way, it leaves `source` and a `.tmp`."""
    temporary = f"{target}.tmp"
    compress = zlib.compressobj(_QUICK, zlib.DEFLATED, _GZIP)
    with open(source, "rb") as plain, open(temporary, "wb", opener=_opener) as packed:
        while chunk := plain.read(_CHUNK):
            packed.write(compress.compress(chunk))
        packed.write(compress.flush())
    os.rename(temporary, target)
    os.unlink(source)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o640)


def unpacked(fd: int) -> int:
    """A descriptor of a file without a name that holds what the file of `fd` was made of, or as much as there is."""
    import tempfile

    inflate = zlib.decompressobj(_GZIP)
    with tempfile.TemporaryFile(buffering=0) as plain:
        at = 0
        with suppress(zlib.error):
            while not inflate.eof and (chunk := os.pread(fd, _CHUNK, at)):
                at += len(chunk)
                while chunk:
                    plain.write(inflate.decompress(chunk, _CHUNK))  # a chunk of one line again and again is long
                    chunk = inflate.unconsumed_tail
        return os.dup(plain.fileno())
