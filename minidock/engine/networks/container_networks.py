"""Connect a container to its networks when it starts. Those that it joins later: `networks/connect_container.py`.

A container's record says what was asked of each network (`attachments`) and, while it runs, what it has there
(`networks`, see network/endpoint.py). Both are by the networks' names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from minidock.engine.container import init_process, records
from minidock.engine.container.container_options import ContainerOptions
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.spec import etc_files, published_ports
from minidock.errors import EXIT_ENGINE, ConflictError
from minidock.linux import namespaces
from minidock.named_tuple import NamedTuple
from minidock.network.endpoint import EndpointConfig
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.engine.networks.legacy_links import Link
    from minidock.network.endpoint import Endpoints

SHARED = "container:"  # how the kind of network begins that is another container's


class Surroundings(NamedTuple):
    """What a container's networks make of its bundle and its record.

    `files`: the directory of its hosts, hostname and resolv.conf. `netns`: the path of the network namespace that it
    joins, '' for a new one, None for the host's. `networks`: what it has on each. `variables`: what docker tells of
    linked containers.
    """

    hostname: str
    files: str
    netns: str | None
    networks: dict[str, dict[str, Any]]
    variables: list[str]


def prepare(record: Record, options: ContainerOptions) -> Surroundings:
    """Take addresses for the container and write its hosts, hostname and resolv.conf.

    Raises `NotFoundError`, `ConflictError` or `HostError` for what cannot be had on a network.
    """
    if options.network.startswith(SHARED):
        return _shared(record.root, options.network.removeprefix(SHARED))
    networks = {}
    if record.data["attachments"]:
        from minidock.network.reserve import reserve_addresses

        reserved = reserve_addresses(record.root, record.id, record.name, attachments(record))
        networks = {name: endpoint._asdict() for name, endpoint in reserved.items()}
    links: list[Link] = []
    if any(asked["links"] for asked in record.data["attachments"].values()):
        from minidock.engine.networks.legacy_links import linked, remember

        links = linked(record)
        remember(record)
    return _with_files(record, options, networks, links)


def on_paper(record: Record, options: ContainerOptions) -> Surroundings:
    """The same for a container that is not started now: it has no addresses."""
    if options.network.startswith(SHARED):
        other = records.find(record.root, options.network.removeprefix(SHARED))
        return Surroundings(other.data["hostname"], other.directory, "", {}, [])
    return _with_files(record, options, {}, [])


def _with_files(
    record: Record, options: ContainerOptions, networks: dict[str, dict[str, Any]], links: list[Link]
) -> Surroundings:
    is_host = options.network == "host"
    has_own = not is_host and options.isolation.uts != "host"
    hostname = options.hostname or (record.id[:12] if has_own else etc_files.host_name())
    rows = [(_host_gateway(record.root, networks) if address == "host-gateway" else address, name)
            for name, address in options.extra_hosts]  # fmt: skip
    rows += [link.row for link in links] + own_rows(networks, hostname, options.isolation.domainname)
    resolv = etc_files.resolv_conf(options, has_names=has_names(networks))
    with step("Write hosts, hostname and resolv.conf", book="4.1.1"):
        etc_files.write(record.directory, hostname, etc_files.hosts(options, rows), resolv)
    variables = [variable for link in links for variable in link.variables]
    return Surroundings(hostname, record.directory, None if is_host else "", networks, variables)


def attachments(record: Record) -> dict[str, EndpointConfig]:
    """What is asked of each network. A host name that was asked for is one more alias on all of them, as in docker."""
    hostname = record.data["options"]["hostname"]
    asked = {name: EndpointConfig.from_json(row) for name, row in record.data["attachments"].items()}
    return {name: one._replace(aliases=[*one.aliases, *filter(None, [hostname])]) for name, one in asked.items()}


def has_names(networks: dict[str, dict[str, Any]]) -> bool:
    """Whether one of the networks is one whose containers find each other by name: its resolver knows them."""
    return any(row["names"] for row in networks.values())


def own_rows(networks: dict[str, dict[str, Any]], hostname: str, domain: str) -> list[etc_files.Row]:
    """The container's own lines in its hosts file: its addresses on all its networks.

    With a domain, be it part of the host name, the whole name comes first: it is what `hostname -f` then answers
    (hosts(5), "canonical_hostname").
    """
    short = hostname.partition(".")[0]
    names = f"{hostname}.{domain} {hostname}" if domain else f"{hostname} {short}" if short != hostname else hostname
    rows = [(row[key], names) for row in networks.values() for key in ("address", "address6")]
    return [row for row in rows if row[0]]


def _host_gateway(root: str, networks: dict[str, dict[str, Any]]) -> str:
    """By which address the container reaches the host: that of the bridge that it is on, or of the default one."""
    for row in networks.values():
        if row["gateway"] and row["host_interface"]:  # otherwise the gateway is somebody else
            return str(row["gateway"])
    from minidock.network import network_store, predefined

    default = [
        network for network in network_store.load_all(root) if network.name == predefined.BRIDGE and network.pools
    ]
    return default[0].pools[0].gateway if default else "127.0.0.1"


def _shared(root: str, name: str) -> Surroundings:
    """The network of another container, with what belongs to it: host name, hosts and resolv.conf are the other's."""
    other = records.find(root, name)
    if init_process.running_pid(other) is None:
        raise ConflictError(f"cannot join network of a non running container: {other.id}", exit_code=EXIT_ENGINE)
    files = other
    while (kind := str(files.data["options"]["network"])).startswith(SHARED):  # which shares a third one's
        files = records.find(root, kind.removeprefix(SHARED))
    netns = f"/proc/{other.data['state']['pid']}/ns/net"
    return Surroundings(other.data["hostname"], files.directory, netns, {}, [])


def connect(record: Record, pid: int) -> list[str]:
    """Connect the container, whose first process is `pid`, to its networks. Returns warnings, a line each.

    Raises `FileNotFoundError` if the process is gone.
    """
    from minidock.network.connect_endpoints import connect_endpoints

    netns = namespaces.open_namespace(pid, "network")
    try:
        warnings = connect_endpoints(record.root, has(record), netns, published_ports.published(record))
    finally:
        os.close(netns)
    for name, endpoint in has(record).items():
        told = {"container": record.id, "name": name, "type": endpoint.driver}
        event_log.emit(record.root, "network", "connect", endpoint.network, **told)
    if os.path.isdir(record.path("linked")):
        from minidock.engine.networks.legacy_links import follow

        follow(record)
    return warnings


def has(record: Record) -> Endpoints:
    """What the container has on each network."""
    from minidock.network.endpoint import Endpoint

    return {name: Endpoint(**row) for name, row in record.data["networks"].items()}
