"""The interface of a network driver: the names and functions that its module defines, as a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minidock.linux.rtnetlink import Rtnetlink
    from minidock.network.endpoint import Endpoint
    from minidock.network.network_store import Network

BOOK = "4.1.1"  # Mode de fonctionnement standard (bridge)


class Driver(Protocol):
    """The caller of `validate`, `create_interface` and `remove_interface` holds the lock of the networks."""

    @property
    def NAME(self) -> str: ...  # what --driver calls it
    @property
    def INTERFACE_LABEL(self) -> str: ...  # what `network inspect --verbose` calls the host's interface
    @property
    def IS_ROUTED(self) -> bool:
        ...
        # Whether containers reach other hosts through this one, which has an address on the network: its routes must
        # not lead elsewhere, its packet filter sees what they send, and its ports can be published.

    def check_options(self, options: Mapping[str, str]) -> None:
        """Check the options of `network create -o`. Raises `UsageError` in docker's words."""

    def interface_name(self, network_id: str, options: Mapping[str, str]) -> str:
        """The name of the host's interface that the network's containers are connected to."""

    def interface_prefix(self, options: Mapping[str, str]) -> str:
        """The name of interfaces in containers, without their number."""

    def validate(self, root: str, network: Network) -> Network:
        """The network as it can be created on this host. Raises `UsageError` or `ConflictError`; creates nothing."""

    def create_interface(self, host: Rtnetlink, root: str, network: Network) -> None:
        """Create the host's interface, or the missing part of it. Several processes may do this at the same time."""

    def is_interface_ready(self, network: Network) -> bool:
        """Whether `create_interface` has nothing to do: neither a user nor a reboot has removed the interface."""

    def remove_interface(self, network: Network) -> None:
        """Delete the host's interface, if it exists and minidock has created it."""

    def connected_interfaces(self, network: Network) -> list[str]:
        """The host's interfaces that lead to containers of the network, as the kernel lists them."""

    def create_endpoint(
        self, host: Rtnetlink, inside: Rtnetlink, network: Network, endpoint: Endpoint, netns_fd: int
    ) -> None:
        """Create `endpoint.interface`, still without addresses, in the container's network namespace `netns_fd`."""
