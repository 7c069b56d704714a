"""Create, list and remove networks. Their containers: `container_networks.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from minidock import state
from minidock.engine.container import records
from minidock.engine.events import event_log
from minidock.engine.networks import network_options
from minidock.engine.networks.network_options import NetworkOptions
from minidock.errors import ConflictError, MinidockError, NotFoundError, UsageError
from minidock.image import image_filters
from minidock.image.created_time import epoch_seconds
from minidock.linux import rtnetlink
from minidock.network import ipam, network_drivers, network_store, predefined
from minidock.network.firewall import filter_state, packet_filter
from minidock.network.leases import Lease
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.network.release import release_endpoints
from minidock.network.remove_network import has_endpoints, remove_network
from minidock.observe import step

FOR_LISTS = ("dangling", "driver", "id", "label", "name", "scope", "type")
FOR_PRUNE = ("label", "label!", "until")
Filters = image_filters.Filters


def create(root: str, asked: NetworkOptions) -> Network:
    """Make a network: its file, and its interface on the host.

    Raises `UsageError` for what cannot be meant, `ConflictError` for a name, a subnet or an interface that is taken.
    Killed half-way, it leaves a network whose interface is made by the first container that is connected to it.
    """
    network = network_options.to_network(asked)
    driver = network_drivers.find(network.driver)
    # The second lock is that of all roots: the next process that chooses must see our subnet among the routes.
    with (
        step("Create the network", book=BOOK),
        network_store.locked(root),
        state.locked(filter_state.lock_path()),
        rtnetlink.Rtnetlink() as host,
    ):
        if any(other.name == network.name for other in network_store.ensure_predefined(root)):
            raise ConflictError(f"network with name {network.name} already exists")
        network = ipam.with_subnets(host, root, network)
        ipam.check_free(host, root, network)
        network = driver.validate(root, network)
        network_store.save(root, network)
        try:
            driver.create_interface(host, root, network)
        except BaseException:
            with suppress(OSError, MinidockError):  # the first error is the one to tell
                driver.remove_interface(network)
            network_store.delete(root, network)
            raise
    event_log.emit(root, "network", "create", network.id, name=network.name, type=network.driver)
    return network


def find(root: str, name: str) -> Network:
    """The network of that name, id, or beginning of an id. Raises `NotFoundError`."""
    return network_store.find(everything(root), name, "network {} not found", root=root)


def is_known(root: str, name: str) -> bool:
    """Whether `find` finds one."""
    try:
        find(root, name)
    except NotFoundError:
        return False
    return True


def everything(root: str) -> list[Network]:
    """All networks, by name. The three that are always there are made on record if need be."""
    found = network_store.load_all(root)
    if predefined.DRIVERS.keys() <= {network.name for network in found}:
        return found
    with network_store.locked(root):
        return sorted(network_store.ensure_predefined(root), key=lambda network: network.name)


def select(root: str, filters: Filters) -> list[Network]:
    """The networks that pass `network ls`'s filters, which are docker's."""
    chosen = everything(root)
    for name, check in _CHECKS.items():
        if values := filters.get(name):
            chosen = [network for network in chosen if any(check(network, value) for value in values)]
    if dangling := filters.get("dangling"):
        wanted = _truth("dangling", dangling[-1])
        chosen = [n for n in chosen if (not n.is_predefined and not members(root, n)) == wanted]
    return [network for network in chosen if image_filters.labels_fit(network.labels, filters)]


def _is_of_type(network: Network, kind: str) -> bool:
    if kind not in ("builtin", "custom"):
        raise UsageError(f"invalid filter: 'type'='{kind}'")
    return network.is_predefined == (kind == "builtin")


_CHECKS: dict[str, Callable[[Network, str], bool]] = {
    "driver": lambda network, value: network.driver == value,
    "id": lambda network, value: network.id.startswith(value),
    "name": lambda network, value: value in network.name,
    "scope": lambda network, value: value == "local",
    "type": _is_of_type,
}


def _truth(name: str, value: str) -> bool:
    if value not in ("true", "1", "false", "0"):
        raise UsageError(f"""invalid value for filter '{name}', must be "true" (or "1"), or "false" (or "0")""")
    return value in ("true", "1")


def members(root: str, network: Network) -> dict[str, Lease]:
    """Who is on the network now, by container id. A lease whose container is gone, however that came, is given back."""
    held = network_store.leases(root, network.id).held
    lost = [holder for holder in held if not records.is_there(root, holder)]
    if lost:
        for holder in lost:
            release_endpoints(root, holder)
    return {holder: lease for holder, lease in held.items() if holder not in lost}


def remove(root: str, name: str) -> Network:
    """Remove a network that no running container is on. Raises `NotFoundError`, `ConflictError`."""
    try:
        network = find(root, name)
    except network_store.DamagedNetworkError as ruin:
        return _remove_damaged(root, ruin)
    if network.is_predefined:
        raise ConflictError(f"{network.name} is a pre-defined network and cannot be removed")
    members(root, network)
    with step("Remove the network", book=BOOK), network_store.locked(root):
        remove_network(root, network)
    event_log.emit(root, "network", "destroy", network.id, name=network.name, type=network.driver)
    return network


def _remove_damaged(root: str, ruin: network_store.DamagedNetworkError) -> Network:
    """Remove a network of which only the id is known for sure: what drivers name by that on the host, rules and files.

    It may also be the network `bridge`, if no other is that. Raises `ConflictError` while somebody is on it.
    """
    found = {network.name for network in network_store.load_all(root)}
    interfaces = {name: network_drivers.find(name).interface_name(ruin.id, {}) for name in network_drivers.NAMES}
    perhaps = list(interfaces.items())
    if ruin.name in ("", predefined.BRIDGE) and predefined.BRIDGE not in found:
        perhaps.append((network_drivers.BRIDGE, network_store.default_interface(root)))
    with step("Remove the network", book=BOOK), network_store.locked(root):
        for driver, interface in perhaps:
            network = Network(id=ruin.id, name=ruin.name or ruin.id, driver=driver, created="", interface=interface,
                              pools=[], chosen=False, internal=False, ipv6=False, attachable=False, labels={},
                              options={})  # fmt: skip
            if network_drivers.find(driver).connected_interfaces(network):
                raise has_endpoints(network)
            network_drivers.find(driver).remove_interface(network)
    packet_filter.remove_network(ruin.id)
    with network_store.locked(root):
        network_store.delete(root, network)
    event_log.emit(root, "network", "destroy", network.id, name=network.name, type=network.driver)
    return network


def prune(root: str, filters: Filters) -> list[Network]:
    """Remove the networks that users made and nobody is on; returns them."""
    before = min(map(image_filters.moment, filters.get("until", ())), default=float("inf"))
    removed = []
    for network in everything(root):
        if network.is_predefined or epoch_seconds(network.created) >= before:
            continue
        if image_filters.labels_fit(network.labels, filters) and not members(root, network):
            with suppress(ConflictError):  # somebody has joined it just now
                removed.append(remove(root, network.id))
    if removed:
        event_log.emit(root, "network", "prune", "", reclaimed="0")
    return removed
