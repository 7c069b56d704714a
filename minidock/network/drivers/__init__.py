"""Network drivers: what a network is in the kernel. Each is one module with what `Driver` lists, and in `find`.

`host` and `null` are no drivers: on the networks of these names a container has nothing of its own. What is the same
for all is elsewhere: subnets in `ipam.py`, leases and the container's addresses in `endpoints.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minidock.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.linux.rtnetlink import Rtnetlink
    from minidock.network.endpoints import Endpoint
    from minidock.network.store import Network

BOOK = "4.1.1"  # Mode de fonctionnement standard (bridge)


class Driver(Protocol):
    """Who calls `prepared`, `make` or `remove_interface` holds the networks' lock."""

    @property
    def NAME(self) -> str: ...  # what --driver calls it
    @property
    def INTERFACE(self) -> str: ...  # what the host's interface is called in `network inspect --verbose`
    @property
    def IS_ROUTED(self) -> bool:
        ...
        # Whether containers reach others by way of the host, which has an address on the network: its routes must not
        # lead elsewhere, its packet filter sees what they send, and its ports can be published.

    def check_options(self, options: Mapping[str, str]) -> None:
        """Refuse values of -o that mean nothing. Raises `UsageError` in docker's words."""

    def interface(self, network_id: str, options: Mapping[str, str]) -> str:
        """The name of the host's interface that the network's containers are attached to."""

    def prefix(self, options: Mapping[str, str]) -> str:
        """What interfaces are called inside, before their number."""

    def prepared(self, root: str, network: Network) -> Network:
        """The network as it can be made on this host. Raises `UsageError` or `ConflictError`; makes nothing."""

    def make(self, host: Rtnetlink, root: str, network: Network) -> None:
        """Make the host's interface, or what is missing of it. Several processes may do this at once."""

    def is_made(self, network: Network) -> bool:
        """Whether `make` has nothing to do: nobody has deleted the interface, and no reboot."""

    def remove_interface(self, network: Network) -> None:
        """Delete the host's interface, if it is there and ours."""

    def attached(self, network: Network) -> list[str]:
        """The interfaces on the host that lead to containers of the network, as the kernel knows them."""

    def plug(self, host: Rtnetlink, inside: Rtnetlink, network: Network, endpoint: Endpoint, netns_fd: int) -> None:
        """Create `endpoint.interface`, which has no addresses yet, in the container's network namespace, `netns_fd`."""


BRIDGE, MACVLAN = "bridge", "macvlan"
NAMES = (BRIDGE, MACVLAN)


def find(name: str) -> Driver:
    """The driver of that name. Raises `NotFoundError` in docker's words if there is none."""
    if name == BRIDGE:
        from minidock.network.drivers import bridge

        return bridge
    if name == MACVLAN:
        from minidock.network.drivers import macvlan

        return macvlan
    raise NotFoundError(f'plugin "{name}" not found')


def remove(root: str, network: Network) -> None:
    """Remove a network: its interface, its rules, its files. The caller holds the networks' lock.

    Raises `ConflictError` while a container holds an address.
    """
    from minidock.network import store
    from minidock.network.firewall import apply

    driver = find(network.driver)
    if store.leases(root, network.id).held or driver.attached(network):
        raise has_endpoints(network)
    driver.remove_interface(network)
    apply.forget(network.id)
    store.forget(root, network)


def has_endpoints(network: Network) -> ConflictError:
    """What is raised for a network that containers are on."""
    return ConflictError(f"error while removing network: network {network.name} id {network.id} has active endpoints")
