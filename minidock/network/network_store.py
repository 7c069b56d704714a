"""Networks on disk: their settings, and the addresses that containers hold. Nothing here changes the kernel.

    ROOT/networks/<id>.json           the network: a plain file, kept until `network rm`
    ROOT/networks/<id>.leases.json    the addresses that containers hold now (`leases.py`)
    ROOT/networks/lock                held to change any of them

Three networks always exist, as in docker: `bridge`, which containers are on unless they ask for another, `host` (the
host's own network, without isolation) and `none` (only the loopback interface).
"""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any

from minidock import state
from minidock.errors import NotFoundError, UsageError
from minidock.linux.directory_trees import remove_tree
from minidock.named_tuple import NamedTuple
from minidock.network import predefined
from minidock.network.addresses import Subnet
from minidock.network.leases import Leases
from minidock.shapes import Each

DEFAULT_INTERFACE = "minidock0"
_OPTION = "com.docker.network.bridge."
_SHAPE = {
    "id": str, "name": str, "driver": str, "created": str, "interface": str, "pools": [{"subnet": str}],
    "chosen": bool, "internal": bool, "ipv6": bool, "attachable": bool, "labels": Each(str),
    "options": Each(str),
}  # fmt: skip


class Pool(NamedTuple):
    """A subnet of a network. The bridge has the address `gateway`; containers get those of `range`, or of the whole
    subnet.
    """

    subnet: str
    gateway: str
    range: str  # '' for the whole
    reserved: dict[str, str]  # addresses that no container gets, by the name given with --aux-address

    @property
    def net(self) -> Subnet:
        """The subnet as numbers. Raises ValueError if the file holds something else."""
        return Subnet.parse(self.subnet)

    @property
    def reserved_addresses(self) -> list[str]:
        """The addresses that no container gets."""
        return [address for address in (self.gateway, *self.reserved.values()) if address]


class Network(NamedTuple):
    """One network. `interface` is that on the host which its containers are attached to, '' where there is none.

    `pools` is empty until the network is used for the first time, unless its user chose subnets (`chosen`).
    """

    id: str
    name: str
    driver: str
    created: str
    interface: str
    pools: list[Pool]
    chosen: bool
    internal: bool
    ipv6: bool
    attachable: bool
    labels: dict[str, str]
    options: dict[str, str]
    owns_interface: bool = True  # whether minidock has created `interface`, and so deletes it

    def pool(self, width: int) -> Pool | None:
        """The pool of that width (`addresses.IPV4` or `IPV6`), or None."""
        return next((pool for pool in self.pools if pool.net.width == width), None)

    @property
    def subnets(self) -> list[Subnet]:
        """All subnets, IPv4 first."""
        return sorted((pool.net for pool in self.pools), key=lambda subnet: subnet.width)

    @property
    def is_predefined(self) -> bool:
        """Whether it is one of the three that always exist."""
        return self.name in predefined.DRIVERS

    @property
    def has_names(self) -> bool:
        """Whether containers on it find each other by name: on every network that a user has created."""
        return not self.is_predefined

    @property
    def masquerades(self) -> bool:
        """Whether packets that leave the network get the host's address (masquerading)."""
        return not self.internal and _truth(self.options.get(f"{_OPTION}enable_ip_masquerade", "true"))

    @property
    def lets_containers_talk(self) -> bool:
        """Whether its containers reach each other (docker calls this ICC, inter-container communication)."""
        return _truth(self.options.get(f"{_OPTION}enable_icc", "true"))

    @property
    def publishing_address(self) -> str:
        """The host's address that ports are published on when none is named."""
        return self.options.get(f"{_OPTION}host_binding_ipv4", "0.0.0.0")

    @property
    def mtu(self) -> int:
        """The largest packet in bytes, if its user chose one; else 0."""
        return int(self.options.get("com.docker.network.driver.mtu", 0))


def directory(root: str) -> str:
    """The directory of the networks of `root`."""
    return f"{root}/networks"


def locked(root: str) -> AbstractContextManager[None]:
    """Hold the lock for creating and removing networks, and for reserving and releasing addresses."""
    return state.locked(os.path.join(state.directory(root, "networks"), "lock"))


def leases(root: str, network_id: str) -> Leases:
    """The leases of a network, including those of containers that were killed."""
    return Leases.read(f"{directory(root)}/{network_id}.leases.json")


class DamagedNetworkError(state.DamagedError):
    """The file of a network cannot be read. `name` is its name if that can still be read, else ''."""

    def __init__(self, path: str, why: str) -> None:
        self.id = os.path.basename(path).removesuffix(".json")
        self.name = state.legible_name(path)
        remove = f"stop who is on it and remove it with network rm {self.id[:12]}"
        super().__init__(path, why, f"{state.RESTORE}, or {remove}")

    def __reduce__(self) -> tuple[type[DamagedNetworkError], tuple[str, str]]:
        return type(self), (self.path, self.why)  # not the message, as exceptions are pickled otherwise


def load_all(root: str) -> list[Network]:
    """All networks whose files can be read, sorted by name. Empty if no network has been used yet."""
    return _survey(root)[0]


def damaged(root: str) -> list[DamagedNetworkError]:
    """The networks whose files cannot be read."""
    return _survey(root)[1]


def _survey(root: str) -> tuple[list[Network], list[DamagedNetworkError]]:
    try:
        names = os.listdir(directory(root))
    except FileNotFoundError:
        return [], []
    found, unreadable = [], []
    for name in names:
        if len(name) == 69 and name.endswith(".json"):  # 64 hex digits
            try:
                found.append(_from_json(f"{directory(root)}/{name}"))
            except DamagedNetworkError as error:
                unreadable.append(error)
            except FileNotFoundError:  # removed just now
                continue
    return sorted(found, key=lambda network: network.name), unreadable


def ensure_predefined(root: str) -> list[Network]:
    """All networks; those that always exist are created if they are missing. The caller holds the lock.

    Raises `DamagedNetworkError` if one of them may be there and cannot be read.
    """
    found, unreadable = _survey(root)
    missing = predefined.DRIVERS.keys() - {network.name for network in found}
    for error in unreadable if missing else ():
        if error.name in ("", *missing):
            raise error
    for name in sorted(missing):
        interface = default_interface(root) if name == predefined.BRIDGE else ""
        network = Network(
            id=os.urandom(32).hex(), name=name, driver=predefined.DRIVERS[name], created=state.now(),
            interface=interface,
            pools=[], chosen=False, internal=False, ipv6=False, attachable=False, labels={}, options={},
        )  # fmt: skip
        save(root, network)
        found.append(network)
    return found


def save(root: str, network: Network) -> None:
    """Write a network's file. The caller holds the lock."""
    content = {**network._asdict(), "pools": [pool._asdict() for pool in network.pools]}
    state.write_json(f"{directory(root)}/{network.id}.json", content)


def delete(root: str, network: Network) -> None:
    """Remove a network's files, the network itself last. The caller holds the lock."""
    for ending in (".leases.json", ".json"):
        path = f"{directory(root)}/{network.id}{ending}"
        if os.path.isdir(path):  # instead of a file
            remove_tree(path)
        with suppress(FileNotFoundError):
            os.unlink(path)


def find(networks: Iterable[Network], name: str, missing: str = "No such network: {}", *, root: str = "") -> Network:
    """The network that a user names: by name, by id or by a prefix that only one id has.

    Raises `NotFoundError` (with the text `missing`), `UsageError` for a prefix of several ids, or `DamagedNetworkError`
    if the network's file below `root` cannot be read.
    """
    known = list(networks)
    for network in known:
        if name in (network.name, network.id):
            return network
    matching = [network for network in known if name and network.id.startswith(name)]
    if len(matching) > 1:
        raise UsageError(f"network {name} is ambiguous ({len(matching)} matches found based on ID prefix)")
    if not matching:
        nameless = ""
        for error in damaged(root) if root and name else ():
            if error.name == name or error.id.startswith(name):
                raise error
            nameless = nameless if error.name else f" (unless it is this one: {error})"
        raise NotFoundError(missing.format(name) + nameless)
    return matching[0]


def default_interface(root: str) -> str:
    """The bridge of the network `bridge`. Each root has its own: networks of two roots are two networks."""
    return DEFAULT_INTERFACE if root == state.DEFAULT_ROOT else f"minidock-{crc32(root.encode()) & 0xFFFFFF:06x}"


def _from_json(path: str) -> Network:
    try:
        content: dict[str, Any] = state.read_json(path, _SHAPE)
        network = {key: content[key] for key in Network._fields if key in content or key in _SHAPE}
        return Network(**{**network, "pools": [_pool(row) for row in content["pools"]]})
    except state.DamagedError as error:
        raise DamagedNetworkError(path, error.why) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedNetworkError(path, str(error)) from None


def _pool(row: dict[str, Any]) -> Pool:
    """One entry of `pools`. A user who edits the file needs to write only `subnet`. Raises ValueError."""
    subnet = Subnet.parse(row["subnet"])
    if subnet.prefix > subnet.width - 2:
        raise ValueError(f"{subnet} has no room for a gateway and a container")
    return Pool(str(subnet), row.get("gateway") or subnet.gateway, row.get("range", ""), row.get("reserved", {}))


def _truth(text: str) -> bool:
    """As Go's strconv.ParseBool, with which docker reads such options; they are checked when the network is created."""
    return text in ("1", "t", "T", "TRUE", "true", "True")
