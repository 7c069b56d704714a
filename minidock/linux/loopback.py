"""The loopback interface, which a new network namespace has but down (book 4.1.1; netdevice(7))."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable
from typing import Any

from minidock.observe import observed

_ioctl: Callable[..., Any] = observed("ioctl", fcntl.ioctl)

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def up() -> None:
    """Bring `lo` up in this process's network namespace; the kernel then gives it 127.0.0.1 and ::1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)  # struct ifreq: name and flags
        flags = struct.unpack("16xH14x", _ioctl(any_socket, SIOCGIFFLAGS, request))[0]
        _ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
