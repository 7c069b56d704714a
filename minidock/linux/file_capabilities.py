"""Capabilities of program files: the attribute security.capability (capabilities(7), "File capabilities").

Version 2 counts for the host's root. Version 3 has one more number, an id: it counts in user namespaces whose root is
that id outside, and is what the kernel writes for setcap(8) in such a namespace. Layout: <linux/capability.h>,
vfs_ns_cap_data, little-endian.
"""

from __future__ import annotations

import struct

ATTRIBUTE = "security.capability"
_V2, _V3, _REVISION = 0x02000000, 0x03000000, 0xFF000000
_V2_SIZE, _V3_SIZE = 20, 24


def for_root(value: bytes, uid: int) -> bytes:
    """The same capabilities, for user namespaces whose root is `uid` outside."""
    magic = struct.unpack_from("<I", value)[0]
    if magic & _REVISION != _V2:
        return value
    return struct.pack("<I", magic & ~_REVISION | _V3) + value[4:_V2_SIZE] + struct.pack("<I", uid)


def for_any_root(value: bytes) -> bytes:
    """The same capabilities as an image has them: for whoever is root where it runs."""
    if len(value) != _V3_SIZE or (magic := struct.unpack_from("<I", value)[0]) & _REVISION != _V3:
        return value
    return struct.pack("<I", magic & ~_REVISION | _V2) + value[4:_V2_SIZE]
