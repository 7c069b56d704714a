"""A tar entry's meaning for the file it becomes: path, times, extended attributes.

Nothing here touches the file system. Names are bytes, as in the kernel: a layer may hold names in any encoding, and the
locale does not matter.
"""

from __future__ import annotations

import tarfile
from decimal import Decimal, InvalidOperation

from minidock.errors import UsageError
from minidock.image.compression import CorruptArchive

# OCI image spec, layer.md, "Whiteouts". Names that begin with .wh..wh. are the storage driver's own (AUFS).
WHITEOUT_PREFIX = b".wh."
WHITEOUT_META_PREFIX = b".wh..wh."
WHITEOUT_OPAQUE = b".wh..wh..opq"

_XATTR = "SCHILY.xattr."
# Attributes of overlayfs itself (redirects, opaque directories), which a layer must not forge.
_OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")


class UnsafePath(UsageError):
    """A path in an archive that leads out of it."""


def as_bytes(text: str) -> bytes:
    """A name or attribute as tarfile gives it, as the bytes in the archive."""
    return text.encode("utf-8", "surrogateescape")


def components(text: str) -> list[bytes]:
    """The parts of a path in an archive, relative to the layer's root.

    An absolute path is relative to that root too, as for docker and GNU tar. ".." is resolved as text; a path above the
    root raises `UnsafePath`.
    """
    parts: list[bytes] = []
    for part in as_bytes(text).split(b"/"):
        if part == b"..":
            if not parts:
                raise UnsafePath(f"the archive is refused: the path {text!r} leads out of it")
            parts.pop()
        elif part not in (b"", b"."):
            if b"\0" in part:
                raise CorruptArchive(f"the tar archive is damaged: a NUL in the name {text!r}")
            parts.append(part)
    return parts


def hidden_name(name: bytes) -> bytes:
    """The name that the whiteout file `name` hides."""
    hidden = name.removeprefix(WHITEOUT_PREFIX)
    if hidden in (b"", b".", b".."):
        raise UnsafePath(f"the archive is refused: {name.decode(errors='replace')!r} hides no file")
    return hidden


def times(entry: tarfile.TarInfo) -> tuple[int, int]:
    """Access and modification time in nanoseconds.

    tarfile makes a float of a PAX time, which loses the nanoseconds, so the record is read again. As for
    docker, a file was accessed when it was written, unless there is a later record of it.
    """
    records = entry.pax_headers
    modified = _nanoseconds(records["mtime"]) if "mtime" in records else int(entry.mtime) * 1_000_000_000
    accessed = _nanoseconds(records["atime"]) if "atime" in records else modified
    return max(accessed, modified), modified


def xattrs(entry: tarfile.TarInfo) -> list[tuple[str, bytes]]:
    """The extended attributes to be set: PAX records as star, GNU tar, docker and umoci write them."""
    return [
        (name.removeprefix(_XATTR), as_bytes(value))
        for name, value in entry.pax_headers.items()
        if name.startswith(_XATTR) and not name.removeprefix(_XATTR).startswith(_OVERLAY_XATTRS)
    ]


def _nanoseconds(text: str) -> int:
    try:
        return int(Decimal(text).scaleb(9))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise CorruptArchive(f"the tar archive is damaged: {text[:40]!r} is not a time") from error
