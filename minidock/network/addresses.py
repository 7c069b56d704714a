"""IPv4 addresses as numbers: subnets, which of them is free, and who holds which address.

Nothing here touches the kernel. The leases are one JSON file, read and replaced under a lock that the caller
holds.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import NamedTuple

from minidock import state
from minidock.errors import HostError

# Private blocks (RFC 1918), tried in this order. Docker takes 172.17.0.0/16 first and climbs, podman
# 10.88.0.0/16: we start at the other end, so that a docker installed later finds its place free. 172.31 is
# last of its kind, because a cloud's default network often lies there.
CANDIDATES = (
    *(f"172.{second}.0.0/16" for second in (*range(30, 16, -1), 31)),
    *(f"192.168.{third}.0/20" for third in range(240, -1, -16)),
    *(f"10.{second}.0.0/16" for second in range(254, 200, -1)),
)


class Subnet(NamedTuple):
    """A network address, as a number, and the length of its prefix."""

    network: int
    prefix: int

    @classmethod
    def parse(cls, text: str) -> Subnet:
        """`172.30.0.0/16`; bits right of the prefix are ignored. Raises ValueError."""
        address, _, prefix = text.partition("/")
        length = int(prefix or 32)
        if not 0 <= length <= 32:
            raise ValueError(f"{text}: a prefix is 0 to 32 bits")
        return cls(number(address) & _mask(length), length)

    def __str__(self) -> str:
        return f"{dotted(self.network)}/{self.prefix}"

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and address & _mask(self.prefix) == self.network

    @property
    def gateway(self) -> str:
        """The first address: the bridge's."""
        return dotted(self.network + 1)

    @property
    def broadcast(self) -> str:
        """The last address."""
        return dotted(self.network | ~_mask(self.prefix) & 0xFFFFFFFF)

    def overlaps(self, other: Subnet) -> bool:
        """Whether one lies within the other."""
        shorter = _mask(min(self.prefix, other.prefix))
        return self.network & shorter == other.network & shorter


def first_free(taken: Iterable[Subnet], preferred: Subnet | None = None) -> Subnet | None:
    """`preferred`, or else the first candidate, that overlaps nothing in `taken`; None if every one does.

    Routes to half of the world (0.0.0.0/1 and 128.0.0.0/1) are how a VPN puts itself before the default
    route. They say where the rest goes and claim nothing.
    """
    claims = [subnet for subnet in taken if subnet.prefix >= 8]
    choices = [Subnet.parse(text) for text in CANDIDATES]
    for subnet in [preferred, *choices] if preferred else choices:
        if not any(subnet.overlaps(claim) for claim in claims):
            return subnet
    return None


class Leases:
    """Who holds which address. Leases of an earlier boot are no leases: their containers ended with it."""

    def __init__(self, path: str, held: dict[str, str], last: str) -> None:
        self.path = path
        self.held = held
        self.last = last

    @classmethod
    def read(cls, path: str) -> Leases:
        """The leases in the file at `path`; none if there is no file.

        An empty file is what a power cut can leave of one that was not waited for (`durable=False`), and
        after a power cut nobody holds anything.
        """
        try:
            content = state.read_json(path) if os.path.getsize(path) else {}
        except FileNotFoundError:
            content = {}
        if content.get("boot") != _boot_id():
            return cls(path, {}, "")
        return cls(path, content["leases"], content["last"])

    def write(self) -> None:
        """Replace the file. Not waiting for the disk, since a reboot makes it worthless anyway."""
        content = {"boot": _boot_id(), "last": self.last, "leases": self.held}
        state.write_json(self.path, content, durable=False)

    def take(self, holder: str, subnet: Subnet) -> str:
        """The address that `holder` has in `subnet`, or else the next free one after the last that was given.

        Not the lowest free one: neighbours and connection tracking remember an address for a while after its
        end.
        """
        held = self.held.get(holder)
        if held and number(held) in subnet:
            return held
        first, size = (
            subnet.network + 2,
            (1 << (32 - subnet.prefix)) - 3,
        )  # not the network, gateway, broadcast
        taken = set(map(number, self.held.values()))
        start = number(self.last) + 1 - first if self.last and number(self.last) in subnet else 0
        for step in range(size):
            address = first + (start + step) % size
            if address not in taken:
                self.held[holder] = self.last = dotted(address)
                return self.last
        raise HostError(
            f"no free address in {subnet}: {len(taken)} containers hold all of them; "
            "stop some (minidock ps, minidock stop) and try again"
        )


def number(address: str) -> int:
    """`172.30.0.2` as a number. Raises ValueError."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    except OSError as error:
        raise ValueError(f"{address!r} is no IPv4 address") from error


def dotted(address: int) -> str:
    """The number as `172.30.0.2`."""
    return socket.inet_ntop(socket.AF_INET, address.to_bytes(4, "big"))


def mac_of(address: str) -> str:
    """A hardware address made of the IPv4 address, as docker makes it.

    Bit 1 of the first byte says "not assigned by a manufacturer". With it, an address that is given again
    keeps its hardware address, and what neighbours have cached stays true.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in number(address).to_bytes(4, "big"))


def _mask(prefix: int) -> int:
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
