"""Headers that are read fast are read as tarfile reads them; all others are left to tarfile."""

from __future__ import annotations

import random
import tarfile

import pytest

from minidock.image.tar_header import Header

COMPARED = ("name", "mode", "uid", "gid", "size", "mtime", "chksum", "type", "linkname", "uname", "gname", "devmajor")


def blocks() -> list[bytes]:
    """Headers of every kind, some damaged."""
    found = []
    for kind in (b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"x", b"g", b"S", b"\0"):
        for name in ("a", "d/", "x" * 100, "é/ü", "p/" * 60 + "n"):
            for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.uname, info.mode = kind, "to", "me", 0o4755
                info.uid, info.size, info.mtime = 0o7777777 if form == tarfile.USTAR_FORMAT else 1 << 40, 77, 1 << 30
                try:
                    found.append(info.tobuf(form, "utf-8", "surrogateescape")[-512:])
                except ValueError:
                    continue
    shuffled = random.Random(1)
    for block in list(found):
        broken = bytearray(block)
        broken[shuffled.randrange(512)] ^= 1 << shuffled.randrange(8)
        found.append(bytes(broken))
    return [*found, b"", bytes(512), b"short", bytes(511) + b"x"]


@pytest.mark.parametrize("number", range(4))
def test_the_same_as_tarfile(number: int) -> None:
    every = blocks()
    assert len(every) > 100
    for block in every[number::4]:
        assert told(Header, block) == told(tarfile.TarInfo, block)


def told(kind: type[tarfile.TarInfo], block: bytes) -> object:
    """What a class makes of a block, or why it does not."""
    try:
        found = kind.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError) as error:
        return type(error), str(error)
    return [getattr(found, name) for name in COMPARED]
