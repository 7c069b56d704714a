"""Tar archives for tests: made entry by entry, also in ways that no honest program would; and trees to
compare."""

import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

from minidock.image.unpack_layers import unpack

MTIME = 1_700_000_000


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """One entry: `fields` are TarInfo's (mode, uid, linkname, pax_headers, ...)."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), MTIME
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.SYMTYPE, linkname=target, mode=0o777)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.LNKTYPE, linkname=target)


def archive(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """The bytes of a tar archive with these entries, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, encoding="utf-8", errors="surrogateescape") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(root: Path, content: bytes) -> Path:
    """Unpack the archive below `root`; the layer's directory."""
    diff_id = unpack(io.BytesIO(content), str(root))
    return root / "layers" / diff_id.removeprefix("sha256:")


def tree(top: Path, *, times: bool = True) -> dict[bytes, tuple[Any, ...]]:
    """Everything about every file below `top` that an archive can hold, by path."""
    found: dict[bytes, tuple[Any, ...]] = {}
    inodes: dict[int, bytes] = {}
    base = os.fsencode(top)
    for here, directories, files in os.walk(base):
        for name in sorted([*directories, *files, b"."] if here == base else [*directories, *files]):
            path = os.path.join(here, name)
            relative = os.path.relpath(path, base)
            found[relative] = _describe(path, relative, inodes, times)
    return found


def _describe(path: bytes, relative: bytes, inodes: dict[int, bytes], times: bool) -> tuple[Any, ...]:
    status = os.lstat(path)
    content: Any = None
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif not stat.S_ISDIR(status.st_mode):
        content = status.st_rdev
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    first_name = inodes.setdefault(status.st_ino, relative) if status.st_nlink > 1 and content else relative
    return (
        oct(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns if times else None,
        content,
        xattrs,
        first_name,
    )
