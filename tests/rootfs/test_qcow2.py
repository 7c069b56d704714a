"""The qcow2 reader, on images put together by hand from the format's description (docs/interop/qcow2.rst).

That it reads what QEMU writes is shown by the alpine recipe, whose files must have their checksums.
"""

import struct
import sys
import zlib
from pathlib import Path

import pytest

from tests.rootfs.recipes import ROOTFS

sys.path.insert(0, str(ROOTFS))

from qcow2 import Qcow2Error, to_raw

BITS = 16
CLUSTER = 1 << BITS
DEFLATED_AT = 4 * CLUSTER + 100  # deflated clusters start at any byte


def header(version: int = 3, backing: int = 0, encrypted: int = 0, features: int = 0, size: int = 4 * CLUSTER) -> bytes:
    fields = (version, backing, 0, BITS, size, encrypted, 1, CLUSTER)
    return (
        b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", *fields, 0, 0, 0, 0) + struct.pack(">QQQII", features, 0, 0, 4, 104)
    )


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    return compressor.compress(data) + compressor.flush()


def image(start: bytes) -> bytes:
    """Header, L1 table, L2 table, a plain cluster, a deflated one: a disk of plain, hole, deflated, zeros."""
    deflated = deflate(b"B" * CLUSTER)
    sectors = (DEFLATED_AT + len(deflated) - 1) // 512 - DEFLATED_AT // 512
    offset_bits = 62 - (BITS - 8)
    entries = (3 * CLUSTER | 1 << 63, 0, 1 << 62 | sectors << offset_bits | DEFLATED_AT, 3 * CLUSTER | 1)
    parts = start, struct.pack(">Q", 2 * CLUSTER | 1 << 63), struct.pack(">4Q", *entries), b"A" * CLUSTER
    return b"".join(part.ljust(CLUSTER, b"\0") for part in parts) + bytes(100) + deflated


def convert(tmp_path: Path, content: bytes) -> bytes:
    (tmp_path / "disk.qcow2").write_bytes(content)
    to_raw(tmp_path / "disk.qcow2", tmp_path / "disk.raw")
    return (tmp_path / "disk.raw").read_bytes()


def test_plain_deflated_zero_and_missing_clusters(tmp_path: Path) -> None:
    expected = b"A" * CLUSTER + bytes(CLUSTER) + b"B" * CLUSTER + bytes(CLUSTER)
    assert convert(tmp_path, image(header())) == expected


def test_version_2_has_no_zero_flag(tmp_path: Path) -> None:
    assert convert(tmp_path, image(header(version=2)))[3 * CLUSTER :] == b"A" * CLUSTER


def test_a_disk_may_end_inside_a_cluster(tmp_path: Path) -> None:
    assert convert(tmp_path, image(header(size=2 * CLUSTER + 512)))[2 * CLUSTER :] == b"B" * 512


def test_an_image_that_was_not_closed_can_be_read(tmp_path: Path) -> None:
    assert len(convert(tmp_path, image(header(features=1)))) == 4 * CLUSTER


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a qcow2"),
        (b"\x7fELF" + bytes(200), "not a qcow2"),
        (header(version=4), "version 4"),
        (header(backing=200), "backing file"),
        (header(encrypted=1), "encryption"),
        (header(features=1 << 4), "features 0x10"),
        (header()[:80], "cut short"),
        (header(), "cut short"),
        (image(header())[: 4 * CLUSTER + 110], "cut short"),
        (image(header())[: 4 * CLUSTER + 100] + b"\xff" * 600, "damaged"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(Qcow2Error, match=reason):
        convert(tmp_path, content)
