"""A tar archive as a stream of entries, read once from front to back.

Headers are parsed by the standard library's tarfile (ustar, GNU and PAX, in their many dialects). Its reading
loop is not used: it takes a damaged header in the middle for the end of the archive, and keeps every header
in memory. Formats: tar(5), POSIX.1-2017 pax, GNU tar manual "Basic Tar Format" and "Storing Sparse Files".
"""

from __future__ import annotations

import os
import struct
import tarfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from minidock.image.compression import CorruptArchive
from minidock.image.pipeline import Pipeline
from minidock.image.tar_header import Header
from minidock.image.unpack_limits import Limits

if TYPE_CHECKING:
    from typing import IO

# What tarfile lets out when a header is not what it should be; some of it only in some versions of Python.
_BAD_HEADER = (tarfile.TarError, ValueError, OverflowError, LookupError, RecursionError, struct.error)


class TarStream:
    """The entries of the archive that comes out of `chunks`, and their content."""

    def __init__(self, chunks: Pipeline, limits: Limits) -> None:
        self._chunks, self._limits = chunks, limits
        self._view = memoryview(b"")
        self._at = 0  # how much of the view was used up
        self._position = 0
        self._header_left = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """The entries in order. The content of one can be copied until the next one is asked for."""
        entry, archive = self._first()
        entries = 0
        while entry is not None and archive is not None:
            if (entries := entries + 1) > self._limits.layer_entries:
                raise CorruptArchive(
                    f"the archive has more than {self._limits.layer_entries} entries: refused"
                    " (MINIDOCK_MAX_LAYER_ENTRIES changes that)"
                )
            _check_numbers(entry)
            self._stored_until = archive.offset
            yield entry
            self._skip_to(archive.offset)
            entry = self._next(archive)
        self._drain()

    def _first(self) -> tuple[tarfile.TarInfo | None, tarfile.TarFile | None]:
        """The first entry (None in an archive of zeros or of nothing), and the TarFile that the next ones are from."""
        self._header_left = self._limits.header_bytes
        if not self._fill():
            return None, None  # Go's archive/tar takes it for an archive too, so such layers exist
        try:
            archive = tarfile.TarFile(
                fileobj=cast("IO[bytes]", self), tarinfo=Header, encoding="utf-8", errors="surrogateescape"
            )
        except _BAD_HEADER as error:
            raise CorruptArchive(f"not a tar archive ({error})") from error
        return archive.firstmember, archive  # type: ignore[attr-defined]

    def _next(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        self._header_left = self._limits.header_bytes
        try:
            return Header.fromtarfile(archive)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            return None
        except _BAD_HEADER as error:
            raise CorruptArchive(f"the tar archive is damaged at byte {self._position} ({error})") from error

    def copy(self, entry: tarfile.TarInfo, fd: int) -> None:
        """Write the content of `entry` to the empty file `fd`; holes of a sparse file stay holes."""
        pieces = cast("list[tuple[int, int]] | None", entry.sparse)
        if pieces is None:
            self._copy(fd, entry.size)
            return
        if any(offset < 0 or size < 0 or offset + size > entry.size for offset, size in pieces):
            raise CorruptArchive(f"the sparse map of {entry.name!r} does not fit its size")
        for offset, size in pieces:
            os.lseek(fd, offset, os.SEEK_SET)
            self._copy(fd, size)
        os.ftruncate(fd, entry.size)

    def content(self, entry: tarfile.TarInfo) -> Iterator[memoryview]:
        """The content of `entry` as it is in the archive, piece by piece; each is of use until the next one."""
        if cast("list[tuple[int, int]] | None", entry.sparse) is not None:
            raise CorruptArchive(f"{entry.name!r} is a sparse file, which has no place in this archive")
        return self._pieces(entry.size)

    def _copy(self, fd: int, size: int) -> None:
        for piece in self._pieces(size):
            done = 0
            while done < len(piece):
                done += os.write(fd, piece[done:])

    def _pieces(self, size: int) -> Iterator[memoryview]:
        if not 0 <= size <= self._stored_until - self._position:
            raise CorruptArchive(f"an entry at byte {self._position} has less content than its header says")
        while size:
            self._need_data()
            piece = self._view[self._at : self._at + size]
            self._at += len(piece)
            self._position += len(piece)
            size -= len(piece)
            yield piece

    # What tarfile asks of a file object: read, tell, and seeking forward.

    def read(self, size: int) -> bytes:
        """`size` bytes of headers, fewer at the end of the archive."""
        if size < 0 or (self._header_left - size) < 0:
            raise CorruptArchive(
                f"an entry's header at byte {self._position} is larger than {self._limits.header_bytes} bytes"
            )
        self._header_left -= size
        end = self._at + size
        if end <= len(self._view):
            data = bytes(self._view[self._at : end])
            self._at = end
            self._position += size
            return data
        return self._read_across(size)

    def _read_across(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and self._fill():
            piece = self._view[self._at : self._at + size - len(data)]
            data += piece
            self._at += len(piece)
            self._position += len(piece)
        return bytes(data)

    def tell(self) -> int:
        """The position in the archive."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip forward."""
        self._skip_to(position)

    def _skip_to(self, position: int) -> None:
        if position < self._position:
            raise CorruptArchive(f"the tar archive points back from byte {self._position} to {position}")
        while self._position < position:
            self._need_data()
            step = min(len(self._view) - self._at, position - self._position)
            self._at += step
            self._position += step

    def _need_data(self) -> None:
        if not self._fill():
            raise CorruptArchive(f"the tar archive is cut off at byte {self._position}")

    def _fill(self) -> bool:
        """Have unused bytes in the view; False at the end of the stream."""
        if self._at == len(self._view):
            self._view, self._at = memoryview(self._chunks.next()), 0
        return self._at < len(self._view)

    def _drain(self) -> None:
        """Take what comes after the archive's end: padding, which counts for the hash."""
        while self._fill():
            self._at = len(self._view)


def _check_numbers(entry: tarfile.TarInfo) -> None:
    """tarfile takes a PAX number that is none for 0, and would then read content as headers."""
    for keyword in ("size", "uid", "gid"):
        value = entry.pax_headers.get(keyword)
        if value is not None and not value.isdecimal():
            raise CorruptArchive(f"the {keyword} {value[:40]!r} of {entry.name!r} is not a number")
