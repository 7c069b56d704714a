"""The network driver `macvlan`: links of that kind (ip-link(8)) on an interface of the host, which is their parent.

    host                        container
    eth0, the parent ---------- eth0 192.168.1.7, default via 192.168.1.1, with a hardware address of its own
     |
    192.168.1.1, the router of the network that the host is on too

A container is one more machine on the network outside. No bridge, address or rule of the host lies between, so ports
cannot be published, and need not be. The host and its containers do not reach each other: a parent passes nothing to
its own links.

The parent is an existing interface (-o parent=eth0), a VLAN of one (-o parent=eth0.10), which is created if it is
missing, or, without -o parent, a dummy interface, through which containers reach only each other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from minidock.errors import EXIT_ENGINE, ConflictError, HostError, UsageError
from minidock.linux import rtnetlink
from minidock.network import network_store
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.network.endpoint import Endpoint

NAME = "macvlan"
INTERFACE_LABEL = "Parent"
IS_ROUTED = False
_DEFAULT_MODE = "bridge"
_VLANS = range(1, 4095)  # IEEE 802.1Q: 12 bits, without 0 and 4095
_PAUSES = tuple(
    0.01 * 2**n for n in range(8)
)  # seconds between tries, while the kernel removes the links of an ended container


def check_options(options: Mapping[str, str]) -> None:
    """Raise `UsageError` in docker's words for a mode that does not exist."""
    mode = options.get("macvlan_mode") or _DEFAULT_MODE
    if mode not in rtnetlink.MACVLAN_MODES:
        raise UsageError(
            f"requested macvlan mode '{mode}' is not valid, '{_DEFAULT_MODE}' mode is the macvlan driver default"
        )


def interface_name(network_id: str, options: Mapping[str, str]) -> str:
    """The parent's name."""
    return options.get("parent") or _dummy(network_id)


def _dummy(network_id: str) -> str:
    return f"dm-{network_id[:12]}"


def interface_prefix(_: Mapping[str, str]) -> str:
    """The name of interfaces in containers, without their number: docker's driver offers no choice."""
    return "eth"


def validate(root: str, network: Network) -> Network:
    """Raise an error in docker's words if another network has the parent, or if it neither exists nor
    can be created.
    """
    parent = network.interface
    if parent == "lo":
        raise UsageError("loopback interface is not a valid macvlan parent link")
    for other in network_store.load_all(root):
        if (other.driver, other.interface) == (NAME, parent) and other.id != network.id:
            raise ConflictError(f"network {_dummy(other.id)} is already using parent interface {parent}")
    if rtnetlink.exists(parent):
        return network._replace(owns_interface=False)
    if parent != _dummy(network.id):
        _vlan(parent)
    return network


def _vlan(name: str) -> tuple[str, int]:
    """The parts of a name like `eth0.10`: an existing interface, and the number of a VLAN (IEEE 802.1Q) on it."""
    parts = name.split(".")
    if len(parts) == 1:
        raise UsageError(f"invalid subinterface vlan name {name}, example formatting is eth0.10")
    if len(parts) > 2:
        raise UsageError(
            f"required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {name}"
        )
    if not re.fullmatch(r"[+-]?[0-9]+", parts[1]):
        raise UsageError(f"unable to parse a valid vlan id from: {parts[1]} (ex. eth0.10 for vlan 10)")
    if not rtnetlink.exists(parts[0]):
        raise UsageError(f"-o parent interface was not found on the host: {parts[0]}")
    if int(parts[1]) not in _VLANS:
        raise UsageError(f"vlan id must be between 1-4094, received: {int(parts[1])}")
    return parts[0], int(parts[1])


def create_interface(host: rtnetlink.Rtnetlink, _: str, network: Network) -> None:
    """Create the parent, if it is minidock's. Raises `HostError` if another one is missing, or if the
    kernel refuses.
    """
    parent = network.interface
    if not network.owns_interface:
        _require(parent)
    elif parent == _dummy(network.id):
        with _docker_errors(f"failed to create the dummy link {parent}"), step("Create a dummy interface", book=BOOK):
            host.add_dummy(parent)
    else:
        lower, number = _vlan(parent)
        with _docker_errors(f"failed to create {parent} vlan link"), step("Create a VLAN interface", book=BOOK):
            host.add_vlan(parent, lower, number)


def _require(parent: str) -> None:
    if not rtnetlink.exists(parent):
        raise _error(f"the requested parent interface {parent} was not found on the Docker host")


def _error(words: str) -> HostError:
    return HostError(words, exit_code=EXIT_ENGINE)


@contextlib.contextmanager
def _docker_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` into a `HostError` in docker's words. If another process has created the same, that is no
    error.
    """
    try:
        yield
    except FileExistsError:
        pass
    except OSError as error:
        raise _error(f"{what}: {os.strerror(error.errno or 0).lower()}") from error


def is_interface_ready(network: Network) -> bool:
    """Whether the parent exists."""
    return rtnetlink.exists(network.interface)


def remove_interface(network: Network) -> None:
    """Delete the parent, if minidock has created it."""
    if network.owns_interface and rtnetlink.exists(network.interface):
        with rtnetlink.Rtnetlink() as host:
            host.delete_link(network.interface)


def connected_interfaces(_: Network) -> list[str]:
    """None: the links are in the network namespaces of the containers, invisible to the host."""
    return []


def create_endpoint(
    host: rtnetlink.Rtnetlink, inside: rtnetlink.Rtnetlink, network: Network, endpoint: Endpoint, netns_fd: int
) -> None:
    """Create the container's link. Raises `HostError` if the kernel refuses."""
    mode = network.options.get("macvlan_mode") or _DEFAULT_MODE
    _require(network.interface)
    with _docker_errors("failed to create the macvlan port"), step("Create a macvlan link on the parent", book=BOOK):
        for pause in (*_PAUSES, None):
            try:
                host.add_macvlan(endpoint.interface, network.interface, mode, mac=endpoint.mac, netns_fd=netns_fd)
                break
            except OSError as error:
                if pause is None or not _may_pass(error, mode):
                    raise
                time.sleep(pause)
        if mode == "passthru":  # the link has the parent's hardware address; now both get the container's
            inside.set_mac(endpoint.interface, endpoint.mac)


def _may_pass(error: OSError, mode: str) -> bool:
    """Whether the error may be due to the link of a container that has ended.

    The kernel removes network namespaces at some later time; until then their hardware addresses are in use, and
    parents in passthru mode are busy.
    """
    return error.errno == (errno.EINVAL if mode == "passthru" else errno.EADDRINUSE)
