"""Read a qcow2 disk image: QEMU's format, versions 2 and 3, and no more of it than a finished image needs.

Source: docs/interop/qcow2.rst in QEMU's tree. A virtual disk is cut into clusters, usually of 64 KiB. A
two-level table finds each one, as page tables find memory: the L1 table points to L2 tables, those to data.

    guest offset = | L1 index | L2 index | offset inside the cluster |

An L2 entry says one of four things: not there (reads as zeros), zeros, plain data at an offset of the file,
or deflated data. Backing files, encryption, external data and sub-clusters are refused, not misread.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"QFI\xfb"
OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00  # bits 9 to 55 of an L1 or L2 entry: where in the file
COMPRESSED = 1 << 62  # QCOW_OFLAG_COMPRESSED
ZERO = 1 << 0  # QCOW_OFLAG_ZERO, version 3 only
SECTOR = 512
INCOMPATIBLE_DIRTY = 1 << 0  # reference counts may be stale; they matter to a writer, not to a reader


class Qcow2Error(Exception):
    """The file is not a qcow2 image that this reader understands."""


class Header(NamedTuple):
    version: int
    cluster_bits: int
    size: int  # of the virtual disk, in bytes
    l1_size: int  # entries
    l1_table_offset: int


def read_header(image: BinaryIO) -> Header:
    """The image's header (big-endian throughout). Raises Qcow2Error for what this reader would misread."""
    raw = image.read(104)
    if len(raw) < 72 or raw[:4] != MAGIC:
        raise Qcow2Error("not a qcow2 image")
    fields = struct.unpack_from(">IQIIQIIQ", raw, 4)
    version, backing, _, cluster_bits, size, encrypted, l1_size, l1_offset = fields
    if version not in (2, 3):
        raise Qcow2Error(f"qcow2 version {version} is not supported (2 and 3 are)")
    if not 9 <= cluster_bits <= 21:
        raise Qcow2Error(f"qcow2 cluster size of 2^{cluster_bits} bytes is outside the format's limits")
    if backing or encrypted:
        raise Qcow2Error("qcow2 images with a backing file or encryption are not supported")
    if version == 3:
        if len(raw) < 104:
            raise Qcow2Error("qcow2 header is cut short")
        (incompatible,) = struct.unpack_from(">Q", raw, 72)
        if incompatible & ~INCOMPATIBLE_DIRTY:
            raise Qcow2Error(f"qcow2 features {incompatible:#x} are not supported")
    return Header(version, cluster_bits, size, l1_size, l1_offset)


def clusters(image: BinaryIO, header: Header) -> Iterator[tuple[int, bytes]]:
    """Every cluster that holds data, as (offset in the virtual disk, bytes), in order; holes are left out."""
    cluster_size = 1 << header.cluster_bits
    per_l2 = cluster_size // 8
    for l1_index, l1_entry in enumerate(_table(image, header.l1_table_offset, header.l1_size)):
        l2_offset = l1_entry & OFFSET_MASK
        if not l2_offset:
            continue
        for l2_index, entry in enumerate(_table(image, l2_offset, per_l2)):
            guest_offset = (l1_index * per_l2 + l2_index) * cluster_size
            if guest_offset >= header.size:
                return
            data = _cluster(image, header, entry)
            if data is not None:
                yield guest_offset, data[: header.size - guest_offset]


def _cluster(image: BinaryIO, header: Header, entry: int) -> bytes | None:
    cluster_size = 1 << header.cluster_bits
    if entry & COMPRESSED:
        # The remaining 62 bits are split: the lower x bits are a byte offset, the upper ones count the
        # further 512-byte sectors that the deflated data may reach into.
        x = 62 - (header.cluster_bits - 8)
        offset = entry & ((1 << x) - 1)
        sectors = ((entry & (COMPRESSED - 1)) >> x) + 1
        image.seek(offset)
        deflated = image.read(sectors * SECTOR - offset % SECTOR)
        try:
            # -12: raw deflate without zlib's header, in the 4 KiB window that QEMU writes with.
            data = zlib.decompressobj(-12).decompress(deflated, cluster_size)
        except zlib.error as error:
            raise Qcow2Error(f"qcow2 cluster at byte {offset} is damaged: {error}") from error
    else:
        offset = entry & OFFSET_MASK
        if not offset or (header.version == 3 and entry & ZERO):
            return None
        image.seek(offset)
        data = image.read(cluster_size)
    if len(data) != cluster_size:
        raise Qcow2Error(f"qcow2 cluster at byte {offset} is cut short")
    return data


def _table(image: BinaryIO, offset: int, entries: int) -> tuple[int, ...]:
    image.seek(offset)
    raw = image.read(entries * 8)
    if len(raw) != entries * 8:
        raise Qcow2Error(f"qcow2 table at byte {offset} is cut short")
    return struct.unpack(f">{entries}Q", raw)


def to_raw(source: Path, target: Path) -> None:
    """Write the virtual disk in `source` to `target` as a raw image; what was never written stays a hole.

    Raises Qcow2Error, or OSError when reading or writing fails.
    """
    with source.open("rb") as image, target.open("wb") as raw:
        header = read_header(image)
        for offset, data in clusters(image, header):
            raw.seek(offset)
            raw.write(data)
        raw.truncate(header.size)
