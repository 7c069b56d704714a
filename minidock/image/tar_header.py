"""Headers of archives, read fast where they are what nearly all are: ustar, numbers in octal, a sound checksum.

tarfile takes a hundred microseconds for a header, most of them for its checksum: a third of the time that unpacking
many small files takes. What is not plain is left to it. Source: POSIX.1-2017, pax, "ustar Interchange Format".
"""

from __future__ import annotations

import struct
import tarfile

_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_PLAIN = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.XHDTYPE)
_MAGIC = b"ustar\x0000"


class Header(tarfile.TarInfo):
    """What tarfile makes of a header, made sooner."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
        """One block of 512 bytes. Raises what tarfile raises."""
        found = _plain(bytes(buf), cls(), encoding, errors) if len(buf) == tarfile.BLOCKSIZE else None
        return found or super().frombuf(buf, encoding, errors)


def _plain(block: bytes, header: Header, encoding: str, errors: str) -> Header | None:
    """`header` filled in; None if the block is not plain."""
    # The last but one are the numbers of a device, which nothing plain is.
    name, mode, uid, gid, size, mtime, checksum, kind, linkname, magic, uname, gname, _, _, prefix = _FIELDS.unpack(
        block
    )
    if magic != _MAGIC or kind not in _PLAIN or prefix[0]:
        return None
    try:
        header.chksum = _number(checksum)
        if header.chksum != sum(block) - sum(checksum) + 8 * 32:
            return None
        header.mode, header.uid, header.gid = _number(mode), _number(uid), _number(gid)
        header.size, header.mtime = _number(size), _number(mtime)
    except ValueError:
        return None
    header.type = kind
    header.name = _text(name, encoding, errors)
    header.linkname = _text(linkname, encoding, errors)
    header.uname, header.gname = _text(uname, encoding, errors), _text(gname, encoding, errors)
    if kind == tarfile.DIRTYPE:
        header.name = header.name.rstrip("/")
    return header


def _number(field: bytes) -> int:
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


def _text(field: bytes, encoding: str, errors: str) -> str:
    return field.partition(b"\0")[0].decode(encoding, errors) if field[0] else ""
