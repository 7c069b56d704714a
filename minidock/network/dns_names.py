"""Names that a container can resolve: the other containers on its networks, by name, alias and short id.

They are looked up in the leases (`leases.py`) at the time of the question. So a container that joins, leaves, restarts
or is renamed is found by all others at once, with one file written.
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidock.named_tuple import NamedTuple
from minidock.network import network_store
from minidock.network.addresses import IPV4, IPV6, Subnet
from minidock.network.leases import Lease, Leases
from minidock.network.network_store import Network
from minidock.state import DamagedError


class Found(NamedTuple):
    """The addresses of all containers of that name."""

    ipv4: list[str]
    ipv6: list[str]


class Names:
    """The names that container `container_id` of `root` can resolve. `links`: its aliases for others, in lower case."""

    def __init__(self, root: str, container_id: str, links: dict[str, str]) -> None:
        self.root = root
        self.container_id = container_id
        self.links = links
        self._read: dict[str, tuple[tuple[int, int, int], dict[str, Lease]]] = {}

    def addresses(self, name: str) -> Found | None:
        """The addresses of `name`, or `name.network`, on the first of the container's networks that has it."""
        wanted = name.rstrip(".").lower()
        for network, held in self._networks():
            for candidate in dict.fromkeys((wanted, wanted.removesuffix(f".{network.name.lower()}"))):
                bare = self.links.get(candidate, candidate)
                found = [lease for lease in held.values() if bare in lease.names]
                if found:
                    return Found([lease.address for lease in found], [le.address6 for le in found if le.address6])
        return None

    def name(self, address: str) -> str | None:
        """The name of the container with that address, followed by its network's; None if it is not on our networks."""
        for network, held in self._networks():
            for lease in held.values():
                if address in (lease.address, lease.address6):
                    return f"{lease.names[0]}.{network.name}"
        return None

    def has_way_out(self) -> bool:
        """Whether names of the outside world can be resolved: not if all of its networks are internal."""
        mine = [n for n in network_store.load_all(self.root) if self.container_id in self._held(n)]
        return any(not network.internal for network in mine)

    def _networks(self) -> list[tuple[Network, dict[str, Lease]]]:
        """The container's networks on which names are resolved, with their leases."""
        networks = [network for network in network_store.load_all(self.root) if network.has_names]
        return [(network, held) for network in networks if self.container_id in (held := self._held(network))]

    def _held(self, network: Network) -> dict[str, Lease]:
        """The leases, read again only if the file has been replaced since the last time."""
        path = f"{network_store.directory(self.root)}/{network.id}.leases.json"
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return {}
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if network.id not in self._read or self._read[network.id][0] != mark:
            with suppress(DamagedError):  # until it is made anew, what was known before
                self._read[network.id] = (mark, Leases.read(path).held)
        return self._read[network.id][1] if network.id in self._read else {}


def address_of(reverse: str) -> str | None:
    """The address in a name like `2.0.30.172.in-addr.arpa` (RFC 1035, 3.5) or `...ip6.arpa` (RFC 3596, 2.5)."""
    name = reverse.rstrip(".").lower()
    if name.endswith(".in-addr.arpa"):
        text = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
    elif name.endswith(".ip6.arpa"):
        digits = "".join(reversed(name.removesuffix(".ip6.arpa").split(".")))
        text = ":".join(digits[start : start + 4] for start in range(0, len(digits), 4))
    else:
        return None
    try:
        subnet = Subnet.parse(text)
    except ValueError:
        return None
    return str(subnet).partition("/")[0] if subnet.prefix in (IPV4, IPV6) else None
