"""Addresses as numbers: subnets of IPv4 and IPv6, whether they overlap, and which are free.

Nothing here touches the kernel. Python's `ipaddress` could do most of it, and takes 5 ms to import, which every
start of a container would pay.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

from minidock.named_tuple import NamedTuple

# Private blocks (RFC 1918), tried in this order. Docker takes 172.17.0.0/16 first and goes up, podman 10.88.0.0/16.
# This list goes down, so that the subnets of a docker installed later are free. 172.31 is the last of the 172s, because
# it is often the default network in a cloud.
CANDIDATES = (
    *(f"172.{second}.0.0/16" for second in (*range(30, 16, -1), 31)),
    *(f"192.168.{third}.0/20" for third in range(240, -1, -16)),
    *(f"10.{second}.0.0/16" for second in range(254, 200, -1)),
)
IPV4, IPV6 = 32, 128  # bits of an address


class Subnet(NamedTuple):
    """A network address, as a number, the length of its prefix, and the bits of its addresses (`IPV4` or `IPV6`)."""

    network: int
    prefix: int
    width: int = IPV4

    @classmethod
    def parse(cls, text: str) -> Subnet:
        """`172.30.0.0/16` or `fd00:1::/64`; bits right of the prefix are ignored. Raises ValueError."""
        address, slash, prefix = text.partition("/")
        width = width_of(address)
        if slash and not (prefix.isascii() and prefix.isdigit()):
            raise ValueError(f"{text}: {prefix!r} is no length of a prefix")
        length = int(prefix or width)
        if length > width:
            raise ValueError(f"{text}: a prefix is 0 to {width} bits")
        return cls(number(address) & _mask(length, width), length, width)

    def __str__(self) -> str:
        return f"{to_text(self.network, self.width)}/{self.prefix}"

    def __contains__(self, address: object) -> bool:
        """Whether the address, a number of the same width, belongs to this subnet."""
        return isinstance(address, int) and address & _mask(self.prefix, self.width) == self.network

    @property
    def last(self) -> int:
        """The highest address."""
        return self.network | ~_mask(self.prefix, self.width) & (1 << self.width) - 1

    @property
    def gateway(self) -> str:
        """The first address, which the bridge gets by default."""
        return to_text(self.network + 1, self.width)

    @property
    def broadcast(self) -> str | None:
        """The last address of an IPv4 subnet; IPv6 has no broadcast."""
        return to_text(self.last, IPV4) if self.width == IPV4 else None

    def overlaps(self, other: Subnet) -> bool:
        """Whether one contains the other."""
        shorter = _mask(min(self.prefix, other.prefix), self.width)
        return self.width == other.width and self.network & shorter == other.network & shorter


def first_free(taken: Iterable[Subnet], preferred: Subnet | None = None) -> Subnet | None:
    """`preferred`, or else the first candidate, that overlaps nothing in `taken`; None if all do.

    Routes to more than a /8 do not count: a VPN replaces the default route by 0.0.0.0/1 and 128.0.0.0/1.
    """
    claims = [subnet for subnet in taken if subnet.prefix >= 8]
    choices = [Subnet.parse(text) for text in CANDIDATES]
    for subnet in [preferred, *choices] if preferred else choices:
        if not any(subnet.overlaps(claim) for claim in claims):
            return subnet
    return None


def unique_local() -> Subnet:
    """A /64 of IPv6 for one network: fd, 40 random bits and 16 bits of zeros (RFC 4193, "Unique Local IPv6")."""
    return Subnet(0xFD << 120 | int.from_bytes(os.urandom(5), "big") << 80, 64, IPV6)


def width_of(address: str) -> int:
    """`IPV6` for an address with colons, else `IPV4`."""
    return IPV6 if ":" in address else IPV4


def number(address: str) -> int:
    """`172.30.0.2` or `fd00::2` as a number. Raises ValueError."""
    family = socket.AF_INET6 if width_of(address) == IPV6 else socket.AF_INET
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, UnicodeEncodeError) as error:
        raise ValueError(f"{address!r} is no IP address") from error


def to_text(address: int, width: int) -> str:
    """The number as people write it."""
    family = socket.AF_INET6 if width == IPV6 else socket.AF_INET
    return socket.inet_ntop(family, address.to_bytes(width // 8, "big"))


def mac_of(address: str) -> str:
    """A hardware address that contains the IPv4 address, as docker makes it.

    Bit 1 of the first byte says "locally administered". An address that is given again has the same hardware address,
    so that what neighbours have cached stays right.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in number(address).to_bytes(4, "big"))


def _mask(prefix: int, width: int) -> int:
    return ((1 << prefix) - 1) << (width - prefix)
