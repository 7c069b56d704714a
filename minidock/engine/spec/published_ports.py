"""Publish ports: choose and bind the host's ports that lead into a container, before it starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.errors import ConflictError, MinidockError
from minidock.linux import rootless
from minidock.network.port_bindings import PortRequest, Published, as_settings, from_settings, place
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields
    from minidock.network.host_ports import BoundPorts, PortInUseError

BOOK = "4.1.1"  # Mode de fonctionnement standard (bridge)


def publish(record: Record) -> BoundPorts | None:
    """Bind the host's ports for the container, and write them into its record; None if it publishes none.

    The ports stay reserved while the result is open. Raises `MinidockError` in docker's words if one is not free.
    """
    networks = record.data["networks"].values()
    if networks and not any(row["host_interface"] for row in networks):
        record.data["ports"] = {}  # docker shows none either of a container that the host does not stand before
        return None
    record.data["ports"] = as_settings([], list(exposed(record.data)))
    requests = _port_requests(record.data)
    if not requests or not record.data["networks"]:
        return None
    from minidock.network import host_ports, network_store
    from minidock.network.endpoint import Endpoint, gateway_endpoint

    gateway = gateway_endpoint({name: Endpoint(**row) for name, row in record.data["networks"].items()})
    if gateway is None or not gateway.host_interface:
        return None  # on internal networks only: there is no way in; or one that does not lead by the host
    network = network_store.find(network_store.load_all(record.root), gateway.network)
    with step("Reserve the published ports", book=BOOK):
        try:
            if rootless.is_on():
                held = _bind_for_user(requests)
            else:
                held = host_ports.bind_ports(
                    requests, has_ipv6=bool(gateway.address6), default=network.publishing_address
                )
        except MinidockError as error:
            words = (
                _taken_message(record, requests, error) if isinstance(error, host_ports.PortInUseError) else str(error)
            )
            raise ConflictError(
                f"driver failed programming external connectivity on endpoint {record.name}: {words}", exit_code=125
            ) from error
    record.data["ports"] = as_settings(held.published, list(exposed(record.data)))
    return held


def _bind_for_user(requests: list[PortRequest]) -> BoundPorts:
    """Take the ports in the user's own network namespace, and have those of the host lead there.

    The host's addresses are not in there, so a port is published on all addresses of the namespace.
    """
    from minidock.engine import state_paths
    from minidock.engine.rootless import slirp
    from minidock.network import host_ports

    inside = [request._replace(host_address="") for request in requests]
    held = host_ports.bind_ports(inside, has_ipv6=False)
    asked = {request.key: request.host_address for request in requests}
    try:
        slirp.forward(
            state_paths.run_directory(), [(port, asked[f"{port.port}/{port.protocol}"]) for port in held.published]
        )
    except BaseException:
        held.close()
        raise
    return held


def withdraw(record: Record) -> None:
    """The container has ended: of a user without root's rights, no port of the host leads to it. Idempotent."""
    if rootless.is_on() and record.data.get("ports"):
        from minidock.engine import state_paths
        from minidock.engine.rootless import slirp

        slirp.remove(state_paths.run_directory(), published(record))


def published(record: Record) -> list[Published]:
    """The ports on record."""
    return from_settings(record.data.get("ports") or {})


def current(record: Record) -> dict[str, list[str]]:
    """The places on the host (0.0.0.0:8080) that lead to each port (80/tcp) of a container that runs."""
    found: dict[str, list[str]] = {}
    for row in published(record) if record.is_up else []:
        found.setdefault(f"{row.port}/{row.protocol}", []).append(place(row.host_address, row.host_port))
    return found


def warnings(record: Record) -> list[str]:
    """Warnings for a -p without effect."""
    if record.data["options"]["network"] == "host" and record.data["options"]["publish"]:
        return ["Published ports are discarded when using host network mode"]
    return []


def exposed(data: RecordFields) -> dict[str, dict[str, str]]:
    """All ports that the image or the user says something of, the lowest first, as docker's NetworkSettings.Ports."""
    named = _of_image(data["imageConfig"]) | _of_user(data["options"])
    return {key: {} for key in sorted(named, key=lambda key: (int(key.partition("/")[0]), key))}


def named(data: RecordFields) -> dict[str, dict[str, str]]:
    """The same in the words in which they were named, as docker's Config.ExposedPorts."""
    return {key: {} for key in sorted({*(data["imageConfig"].get("ExposedPorts") or ()), *_of_user(data["options"])})}


def _of_user(options: dict[str, Any]) -> set[str]:
    return set(options["expose"]) | {f"{row['port']}/{row['protocol']}" for row in options["publish"]}


def _of_image(config: dict[str, Any]) -> set[str]:
    """The ports that an image exposes, as in 80/tcp. What is no single port is left out: nothing could listen on it.

    As docker reads them (go-connections: nat.Port): without a protocol it is TCP, and a second slash ends it.
    """
    found = set()
    for text in config.get("ExposedPorts") or {}:
        number, protocol = (*text.split("/"), "")[:2]
        protocol = protocol.lower() or "tcp"
        if re.fullmatch("[0-9]{1,10}", number) and 0 < int(number) < 1 << 16 and protocol in ("tcp", "udp", "sctp"):
            found.add(f"{int(number)}/{protocol}")
    return found


def bindings(options: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """What was asked for with -p, as docker's HostConfig.PortBindings."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in options["publish"]:
        first, last = row["first"], row["last"]
        port = "" if not first else f"{first}" if first == last else f"{first}-{last}"
        asked = {"HostIp": row["host_address"], "HostPort": port}
        found.setdefault(f"{row['port']}/{row['protocol']}", []).append(asked)
    return found


def _port_requests(data: RecordFields) -> list[PortRequest]:
    """What -p asks for; with -P also every other port that is exposed."""
    requests = [PortRequest(**row) for row in data["options"]["publish"]]
    if data["options"]["publish_all"]:
        named = {request.key for request in requests}
        for key in exposed(data):
            port, _, protocol = key.partition("/")
            if key not in named:
                requests.append(PortRequest(protocol, int(port), "", 0, 0))
    return requests


def _taken_message(record: Record, requests: list[PortRequest], taken: PortInUseError) -> str:
    """Docker's words for a port that a container has (here with its name), and those for one that a program has."""
    allocated = f"Bind for {place(taken.address, taken.port)} failed: port is already allocated"
    for other in records.load_all(record.root):
        if other.id != record.id and other.is_up:
            for row in published(other):
                if (row.protocol, row.host_port) == (taken.protocol, taken.port):
                    return f"{allocated} (to container {other.name})"
    own = [one for one in dict.fromkeys(requests) if (one.protocol, one.first) == (taken.protocol, taken.port)]
    return allocated if len(own) > 1 else str(taken)
