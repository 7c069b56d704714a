"""Connect containers to networks and disconnect them after they were made, also while they run.

A running container is connected as at its start: an interface in its network namespace, an address, rules. Its monitor
gets a message, because the resolver is its thread. The record has the networks for the next start, whether the
container runs or not.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import Literal

from minidock.engine.container import init_process, records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.networks import container_networks, network_mode, networks
from minidock.engine.spec import etc_files, published_ports
from minidock.errors import ConflictError, MinidockError, NotFoundError
from minidock.linux import namespaces
from minidock.linux.timeouts import ActivityTimeout
from minidock.network import network_store, predefined
from minidock.network.connect_endpoints import connect_endpoints
from minidock.network.endpoint import EndpointConfig, Endpoints
from minidock.network.network_drivers.network_driver import BOOK
from minidock.network.network_store import Network
from minidock.network.release import release_endpoints
from minidock.network.reserve import names_of, reserve_addresses
from minidock.observe import step

_PATIENCE = 10.0  # seconds without a sign of life from a monitor that is to start a resolver
_LOOK = 0.5  # seconds between two looks at it
_HOST = "container cannot be disconnected from host network or connected to host network"
_SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"
_NONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"


def connect(root: str, network_name: str, container_name: str, asked: EndpointConfig) -> list[str]:
    """Connect a container to one more network. Returns warnings, a line each.

    Raises `NotFoundError`, `ConflictError` or `UsageError`, in docker's words where it has some.
    """
    record, network = records.find(root, container_name), networks.find(root, network_name)
    _check_kind(record, network)
    asked = network_mode.checked(root, network, asked)
    with step("Write the network into the container's record", book=BOOK), records.changing(record):
        if network.name in record.data["attachments"]:
            raise ConflictError(f"endpoint with name {record.name} already exists in network {network.name}")
        record.data["attachments"][network.name] = asked._asdict()
    warnings = []
    try:
        pid = init_process.running_pid(record)
        if pid is not None:
            with step("Connect the running container", book=BOOK):
                warnings = _plug_in(record, network, container_networks.attachments(record)[network.name], pid)
    except BaseException:
        with suppress(OSError, MinidockError):  # the first error is the one to tell
            _take_off_record(record, network, "attachments")
            _leave(record, network)
        raise
    event_log.emit(root, "network", "connect", network.id, container=record.id, name=network.name, type=network.driver)
    return warnings


def _check_kind(record: Record, network: Network) -> None:
    kind = record.data["options"]["network"]
    if kind.startswith(container_networks.SHARED) or (kind == predefined.HOST and network.name != predefined.HOST):
        raise ConflictError(_SHARED)
    if predefined.HOST in (kind, network.name):
        raise ConflictError(_HOST)
    if predefined.NONE in (kind, network.name):
        raise ConflictError(_NONE)


def _plug_in(record: Record, network: Network, asked: EndpointConfig, pid: int) -> list[str]:
    before = container_networks.has(record)
    new = reserve_addresses(record.root, record.id, record.name, {network.name: asked})
    try:
        warnings = _bring_about(record, {**before, **new}, pid)
    except FileNotFoundError:  # it has just ended: it will be on the network when it starts again
        release_endpoints(record.root, record.id, network.id)
        return []
    with records.changing(record):
        record.data["networks"] |= {name: endpoint._asdict() for name, endpoint in new.items()}
    if init_process.running_pid(record) is None:  # it ended meanwhile, and its monitor did not see what we made
        release_endpoints(record.root, record.id, network.id)
        return []
    _rewrite_hosts(record, {}, new)
    return warnings + _tell_monitor(record)


def _bring_about(record: Record, wanted: Endpoints, pid: int) -> list[str]:
    """Connect the container to exactly these networks, in the kernel. Raises `FileNotFoundError`."""
    netns = namespaces.open_namespace(pid, "network")
    try:
        return connect_endpoints(record.root, wanted, netns, published_ports.published(record))
    finally:
        os.close(netns)


def disconnect(root: str, network_name: str, container_name: str, *, force: bool) -> None:
    """Take a container off a network, running or not.

    Raises `NotFoundError` for one that is unknown, `ConflictError` for a network that it is not on.
    """
    try:
        network = networks.find(root, network_name)
    except NotFoundError:
        if not _forgotten(root, network_name, container_name):
            raise
        return
    try:
        record = records.find(root, container_name)
    except NotFoundError:
        if not force:
            raise
        networks.members(root, network)  # gives back what a container that is gone had
        raise NotFoundError(f"endpoint {container_name} not found") from None
    if network.name == predefined.NONE == record.data["options"]["network"]:
        with step("Take the network out of the container's record", book=BOOK), records.changing(record):
            record.data["options"]["network"] = "default"  # as docker's API calls the kind that has no name
        return
    if network.name == predefined.HOST == record.data["options"]["network"]:
        raise ConflictError(_HOST)
    if network.name not in record.data["attachments"]:
        raise ConflictError(f"container {record.id} is not connected to network {network.name}")
    had = {name: endpoint for name, endpoint in container_networks.has(record).items() if name == network.name}
    _take_off_record(record, network, "attachments")
    with step("Disconnect the container from the network", book=BOOK):
        _leave(record, network)  # also what a `connect` left that was killed half-way
        _take_off_record(record, network, "networks")  # only now: as long as it is there, somebody will release it
        pid, rest = init_process.running_pid(record), container_networks.has(record)
        if pid is not None and rest:
            with suppress(FileNotFoundError):  # it has just ended
                _bring_about(record, rest, pid)
        _rewrite_hosts(record, had, {})
    event_log.emit(
        root, "network", "disconnect", network.id, container=record.id, name=network.name, type=network.driver
    )


def _forgotten(root: str, network_name: str, container_name: str) -> bool:
    """Whether a container that does not run was still to be on a network that is gone: then it is no more."""
    try:
        record = records.find(root, container_name)
    except NotFoundError:
        return False
    with step("Take the network out of the container's record", book=BOOK), records.changing(record):
        return record.data["attachments"].pop(network_name, None) is not None


def _leave(record: Record, network: Network) -> None:
    """Take the container's link to the network away, and its address. It may be running or not."""
    with ExitStack() as stack:
        netns = None
        with suppress(FileNotFoundError):  # it has just ended
            if (pid := init_process.running_pid(record)) is not None:
                netns = namespaces.open_namespace(pid, "network")
                stack.callback(os.close, netns)
        release_endpoints(record.root, record.id, network.id, netns)


def _take_off_record(record: Record, network: Network, part: Literal["attachments", "networks"]) -> None:
    with step("Take the network out of the container's record", book=BOOK), records.changing(record):
        record.data[part].pop(network.name, None)


def _rewrite_hosts(record: Record, gone: Endpoints, new: Endpoints) -> None:
    """Update the container's own lines in its hosts file."""
    names = record.data["hostname"], record.data["options"]["isolation"]["domainname"]
    gone_rows, new_rows = (
        container_networks.own_rows({name: endpoint._asdict() for name, endpoint in some.items()}, *names)
        for some in (gone, new)
    )
    with suppress(FileNotFoundError), records.changing(record):  # one at a time; not if it is being removed
        etc_files.replace_rows(record.path("hosts"), gone_rows, new_rows)


def _tell_monitor(record: Record) -> list[str]:
    """Have the container's monitor see to it that there is a resolver, and wait until it has. Returns its warnings."""
    if not container_networks.has_names(record.data["networks"]):
        return []
    from minidock.engine.monitor.monitor_channel import visit

    channel = visit(record)
    if channel is None:
        return []
    monitor = record.data["state"].get("monitor") or 0
    patience = ActivityTimeout(_PATIENCE, lambda: [monitor])
    channel.end.settimeout(_LOOK)
    try:
        channel.send("update-networks")
        while not patience.is_over:
            with suppress(TimeoutError):
                message, _ = channel.receive()
                if message is None:
                    return []  # it ends
                if message["type"] == "networks-updated":
                    return list(message["warnings"])
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass
    finally:
        channel.close()
    return [f"the monitor of {record.name} does not answer: names may be unknown inside until its next start"]


def rename(record: Record) -> None:
    """A container has a new name: so it is called from now on, on its networks."""
    if not container_networks.has_names(record.data["networks"]):
        return
    asked = container_networks.attachments(record)
    with network_store.locked(record.root):
        for network in network_store.load_all(record.root):
            leases = network_store.leases(record.root, network.id)
            if network.has_names and network.name in asked and record.id in leases.held:
                names = names_of(record.id, record.name, asked[network.name])
                leases.held[record.id] = leases.held[record.id]._replace(names=names)
                leases.write()
    with records.changing(record):
        for name, row in record.data["networks"].items():
            if row["names"]:
                row["names"] = names_of(record.id, record.name, asked[name])
