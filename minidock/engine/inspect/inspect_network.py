"""Networks in the form of `docker network inspect` (Docker Engine API, 1.41, "Network"), and what the kernel counts.

What docker does not show stands beside: each container's cable (`HostInterface`), its names, and the counters of the
cable, as seen by the container.
"""

from __future__ import annotations

from typing import Any

from minidock.engine.container import init_process, records
from minidock.engine.container.records import Record
from minidock.engine.inspect.network_settings import endpoint_id
from minidock.engine.networks import networks
from minidock.linux import namespaces, rtnetlink
from minidock.linux.interfaces import Interface, interfaces
from minidock.network import network_drivers, predefined
from minidock.network.addresses import IPV4, IPV6
from minidock.network.leases import Lease
from minidock.network.network_store import Network, Pool


def network(root: str, found: Network, *, verbose: bool = False) -> dict[str, Any]:
    """Everything about a network. `verbose` adds the bridge's own interface and counters."""
    members = networks.members(root, found)
    seen: dict[str, Interface] = {}
    if members or verbose:
        with rtnetlink.Rtnetlink() as host:
            seen = {interface.name: interface for interface in interfaces(host).values()}
    described = {
        "Name": found.name,
        "Id": found.id,
        "Created": found.created,
        "Scope": "local",
        "Driver": found.driver,
        "EnableIPv6": found.ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": None if found.is_predefined else {},
            "Config": [_pool(pool) for pool in found.pools],
        },
        "Internal": found.internal,
        "Attachable": found.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            holder: _container(root, found, holder, lease, seen.get(lease.interface))
            for holder, lease in members.items()
        },
        "Options": _options(found),
        "Labels": found.labels,
    }
    if verbose:
        kind = network_drivers.find(found.driver).INTERFACE_LABEL if found.driver in network_drivers.NAMES else "Bridge"
        described[kind] = {"Name": found.interface, **_counters(seen.get(found.interface))}
    return described


def _pool(pool: Pool) -> dict[str, Any]:
    found: dict[str, Any] = {"Subnet": pool.subnet, "IPRange": pool.range, "Gateway": pool.gateway,
                             "AuxiliaryAddresses": pool.reserved}  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _options(found: Network) -> dict[str, str]:
    if found.name != predefined.BRIDGE:
        return found.options
    prefix = "com.docker.network.bridge."
    return {
        f"{prefix}default_bridge": "true",
        f"{prefix}enable_icc": str(found.lets_containers_talk).lower(),
        f"{prefix}enable_ip_masquerade": str(found.masquerades).lower(),
        f"{prefix}host_binding_ipv4": found.publishing_address,
        f"{prefix}name": found.interface,
        **found.options,
    }


def _container(root: str, found: Network, holder: str, lease: Lease, cable: Interface | None) -> dict[str, Any]:
    record = records.load(root, holder)
    endpoint = record.data["networks"].get(found.name, {}) if record else {}
    is_routed = network_drivers.find(found.driver).IS_ROUTED
    v4, v6 = found.pool(IPV4), found.pool(IPV6)
    return {
        "Name": record.name if record else "",
        "EndpointID": endpoint_id(found.id, holder),
        "MacAddress": endpoint.get("mac", ""),
        "IPv4Address": f"{lease.address}/{v4.net.prefix}" if v4 else "",
        "IPv6Address": f"{lease.address6}/{v6.net.prefix}" if v6 else "",
        "Names": lease.names,
        "Interface": endpoint.get("interface", ""),
        "HostInterface": lease.interface if is_routed else "",
        **(_counters(cable) if is_routed else _seen_inside(record, endpoint.get("interface", ""))),
    }


def _seen_inside(record: Record | None, name: str) -> dict[str, Any]:
    """The same of a link that has no other end: what the container has sent, it has sent."""
    pid = init_process.running_pid(record) if record else None
    if pid is None:
        return {"Up": False}
    with namespaces.temporarily_in(pid, "network"):
        netlink = rtnetlink.Rtnetlink()
    with netlink:
        link = next((link for link in interfaces(netlink).values() if link.name == name), None)
    if link is None:
        return {"Up": False}
    return _counters(link._replace(sent=link.received, received=link.sent, sent_packets=link.received_packets,
                                   received_packets=link.sent_packets))  # fmt: skip


def _counters(cable: Interface | None) -> dict[str, Any]:
    """What the container received, its cable's other end has sent."""
    if cable is None:
        return {"Up": False}
    return {
        "Up": cable.is_up,
        "Mtu": cable.mtu,
        "RxBytes": cable.sent,
        "RxPackets": cable.sent_packets,
        "TxBytes": cable.received,
        "TxPackets": cable.received_packets,
        "Dropped": cable.dropped,
    }
