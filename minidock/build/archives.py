"""Archives as files: contexts that come as a tar archive, and what ADD unpacks; compressed as layers may be."""

from __future__ import annotations

import os
import posixpath
from typing import Protocol

from minidock.errors import HostError
from minidock.image import compression
from minidock.image.compression import CorruptArchive
from minidock.image.extract import Extractor
from minidock.image.pipeline import Pipeline
from minidock.image.tarstream import TarStream
from minidock.image.unpack_layers import LayerSource

START = 512  # bytes from which `is_archive` can tell


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


class _Files(Extractor):
    """Names that begin with .wh. mean something in layers; here they are names."""

    whiteouts = False


def is_archive(start: bytes) -> bool:
    """Whether a file that begins so is a tar archive, or a compressed file, which may be one."""
    return bool(compression.detect(start)) or start[257:262] == b"ustar"


def new_directory(above: str, name: str) -> str:
    """An empty directory of a workspace."""
    path = os.path.join(above, f"{name}-{os.urandom(4).hex()}")
    os.mkdir(path, 0o755)
    os.chmod(path, 0o755)  # whatever the umask is
    return path


def extract(file: Readable, place: str, named: set[str] | None = None) -> bool:
    """Unpack an archive into the directory `place`; False for what is compressed and no archive at all.

    `named` gets the directories that have an entry; others are there only because something is in them.

    Raises `CorruptArchive` for one that is damaged further on, `UnsafePath` for one whose names lead out of it,
    `HostError` for what the disk says.
    """
    source = LayerSource(file)
    name = ""
    try:
        with Pipeline(source.chunks()) as chunks, _Files(place, place + ".replaced") as extractor:
            archive = TarStream(chunks, source.limits)
            for entry in archive:
                name = entry.name
                if named is not None and entry.isdir():
                    named.add(posixpath.normpath(f"/{name}").strip("/"))
                if name.strip("./") or entry.isdir():  # tar programs have written files without a name
                    extractor.add(entry, archive)
            extractor.finish()
    except CorruptArchive:
        if name:
            raise
        return False
    except OSError as error:
        raise HostError(f"unpacking {name!r}: {os.strerror(error.errno or 0)}") from error
    return bool(name)
