"""Leases: which container holds which address of a network, and under which names it is found. One file, a lease a
line.

The file is read and replaced under a lock that the caller holds (`network_store.locked`). It is replaced atomically, so
a mere reader, such as the resolver, needs no lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from contextlib import suppress

from minidock import state
from minidock.errors import ConflictError, HostError
from minidock.named_tuple import NamedTuple
from minidock.network.addresses import IPV4, Subnet, number, to_text, width_of
from minidock.shapes import Each

_SHAPE = {"boot": str, "last": Each(str), "leases": Each(list)}
CURE = "network reload makes it anew of what the containers have"


class Lease(NamedTuple):
    """What one container holds on the network.

    `address6` is empty where the network has no IPv6. `interface` is the host's end of the container's veth pair.
    `names`, in lower case, are those under which the other containers on the network find it.
    """

    address: str
    address6: str
    interface: str
    names: list[str]


class Leases:
    """The leases of one network. Those of an earlier boot do not count: their containers ended with it."""

    def __init__(self, path: str, held: dict[str, Lease], last: dict[str, str]) -> None:
        self.path = path
        self.held = held  # by container id
        self.last = last  # the address given last, by the width of addresses in bits ("32", "128")

    @classmethod
    def read(cls, path: str) -> Leases:
        """The leases in the file at `path`; none if there is no file, or one of an earlier boot.

        Raises `DamagedError`. An empty file counts as none: that is what a power cut can leave of a file that was
        written with `durable=False`, and after a power cut no container holds anything (`reserve.py` checks).
        """
        try:
            content = state.read_json(path, _SHAPE, CURE) if os.path.isdir(path) or os.path.getsize(path) else {}
        except FileNotFoundError:
            content = {}
        if content.get("boot") != state.boot_id():
            return cls(path, {}, {})
        rows = content["leases"].items()
        if any(len(row) != len(Lease._fields) for _, row in rows):
            raise state.DamagedError(path, "a lease is incomplete", CURE)
        return cls(path, {holder: Lease(*row) for holder, row in rows}, content["last"])

    def write(self) -> None:
        """Replace the file, without waiting for the disk: after a reboot it is worthless anyway.

        The line breaks are ours: for hundreds of leases, json's own indentation takes ten times as long.
        """
        rows = ",\n".join(f"    {json.dumps(holder)}: {json.dumps(lease)}" for holder, lease in self.held.items())
        head = json.dumps({"schemaVersion": state.SCHEMA, "boot": state.boot_id(), "last": self.last})[:-1]
        state.write_text(self.path, f'{head}, "leases": {{\n{rows}\n}}}}\n', durable=False, mode=0o600)

    def taken(self, width: int) -> set[int]:
        """The addresses of that width (`addresses.IPV4` or `IPV6`) that containers hold, as numbers."""
        held = [lease.address if width == IPV4 else lease.address6 for lease in self.held.values()]
        return {number(address) for address in held if address}

    def next_free(self, subnet: Subnet, range_: Subnet, reserved: Collection[str]) -> str:
        """The next free address of `range_` (a part of `subnet`, or all of it) after the last that was given.

        It is not the lowest free one, because neighbours and connection tracking remember an address for a while after
        its container has ended. `reserved` addresses, such as the gateway's, are never given. Raises `HostError` if all
        are taken.
        """
        # Not the network's own address, nor its last, which in IPv4 is for broadcast.
        first, last = max(range_.network, subnet.network + 1), min(range_.last, subnet.last - 1)
        size = last - first + 1
        taken = self.taken(subnet.width) | set(map(number, reserved))
        before = self.last.get(str(subnet.width))
        start = number(before) + 1 - first if before and number(before) in range_ else 0
        for step in range(min(size, len(taken) + 1)) if size > 0 else ():
            address = first + (start + step) % size
            if address not in taken:
                given = self.last[str(subnet.width)] = to_text(address, subnet.width)
                return given
        raise HostError(
            f"no free address in {range_}: {len(self.held)} containers hold all of them; "
            "stop some (minidock ps, minidock stop) and try again"
        )

    def check_free(self, address: str, reserved: Collection[str]) -> None:
        """Raise `ConflictError` in docker's words for an address that is held or reserved."""
        if number(address) in self.taken(width_of(address)) | {number(other) for other in reserved}:
            raise ConflictError(f"Address already in use: {address}")


def leases_of(directory: str, container_id: str, network_id: str | None = None) -> list[Leases]:
    """The leases files in `directory` that hold one of the container; only that of network `network_id`, if given.

    Damaged files are left out: `network reload` writes them anew from the containers' records.
    """
    names = [f"{network_id}.leases.json"] if network_id else os.listdir(directory)
    found = []
    for name in names:
        with suppress(state.DamagedError):
            if name.endswith(".leases.json") and container_id in (leases := Leases.read(f"{directory}/{name}")).held:
                found.append(leases)
    return found
