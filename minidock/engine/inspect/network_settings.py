"""Where a container is on networks, as `docker inspect` has it under NetworkSettings."""

from __future__ import annotations

from typing import Any

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.network import predefined


def settings(record: Record) -> dict[str, Any]:
    """NetworkSettings. Addresses and ports are shown while the container runs; docker shows none later either."""
    data = record.data
    there = data["networks"] if record.is_up else {}
    asked = data["attachments"]
    networks = {name: _endpoint(record, asked.get(name, {}), there.get(name)) for name in names(record)}
    first = networks.get(predefined.BRIDGE) or _endpoint(record, {}, None)
    pid = data["state"]["pid"] if record.is_up else 0
    return {
        "Bridge": there[predefined.BRIDGE]["bridge"] if predefined.BRIDGE in there else "",
        "SandboxID": record.id if pid else "",
        "SandboxKey": f"/proc/{pid}/ns/net" if pid else "",
        "Ports": data.get("ports", {}) if record.is_up else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{key: first[key] for key in ("EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen",
                                       "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress")},
        "Networks": networks,
    }  # fmt: skip


def names(record: Record) -> list[str]:
    """The networks that a container is on, or will be when it runs; "none" and "host" are two of docker's."""
    mode = record.data["options"]["network"]
    return list(record.data["attachments"]) or ([mode] if mode != predefined.BRIDGE else [])


def _endpoint(record: Record, asked: dict[str, Any], has: dict[str, Any] | None) -> dict[str, Any]:
    """One network. `asked`: an EndpointConfig; `has`: an Endpoint, if the container is on it now."""
    has = has or {}
    wanted = {"IPv4Address": asked.get("address"), "IPv6Address": asked.get("address6")}
    return {
        "IPAMConfig": {key: value for key, value in wanted.items() if value} or None,
        "Links": [f"{records.name_of(record.root, other)}:{alias}" for other, alias in asked.get("links", ())] or None,
        "Aliases": asked.get("aliases") or None,
        "MacAddress": has.get("mac", ""),
        "DriverOpts": None,
        "GwPriority": asked.get("gw_priority", 0),
        "NetworkID": has.get("network", ""),
        "EndpointID": endpoint_id(has["network"], record.id) if has else "",
        "Gateway": has.get("gateway", ""),
        "IPAddress": has.get("address", ""),
        "IPPrefixLen": has.get("prefix", 0),
        "IPv6Gateway": has.get("gateway6", ""),
        "GlobalIPv6Address": has.get("address6", ""),
        "GlobalIPv6PrefixLen": has.get("prefix6", 0),
        "DNSNames": has.get("names") or None,
    }


def endpoint_id(network_id: str, container_id: str) -> str:
    """A name of 64 hex digits for "this container on that network", the same every time it is asked for."""
    from hashlib import sha256

    return sha256(f"{network_id} {container_id}".encode()).hexdigest()
