"""Kernel parameters that make the host a router between its containers and others (ip-sysctl.rst of the kernel)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from minidock.errors import HostError
from minidock.linux import rtnetlink, syscalls
from minidock.network.firewall.filter_rules import FilterEndpoint, FilterNetwork

IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
IP6_CONF = "/proc/sys/net/ipv6/conf"


def enable(networks: Iterable[FilterNetwork], endpoints: Iterable[FilterEndpoint]) -> list[HostError]:
    """Turn the host into a router, if it is not one.

    `endpoints`: all endpoints on this host, since a bridge that was created again has lost its settings. Returns
    errors.
    """
    try:
        _set_sysctl(IP_FORWARD, "1")
        if any(network.subnet6 for network in networks):
            _route_ipv6()
        for bridge in {
            endpoint.bridge for endpoint in endpoints if endpoint.published and rtnetlink.exists(endpoint.bridge)
        }:
            # The kernel does not route 127.0.0.1 to an interface unless route_localnet is set there.
            _set_sysctl(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1")
    except HostError as error:
        return [error]
    return []


def _route_ipv6() -> None:
    """Turn on forwarding of IPv6, and keep the host's own default route.

    A router ignores the announcements of other routers, so the host would lose that route when it expires. With
    `accept_ra` 2 it listens to them all the same.
    """
    if _sysctl(f"{IP6_CONF}/all/forwarding") == "1":
        return
    for name in os.listdir(IP6_CONF):
        if name not in ("all", "default", "lo") and _sysctl(f"{IP6_CONF}/{name}/accept_ra") == "1":
            _set_sysctl(f"{IP6_CONF}/{name}/accept_ra", "2")
    _set_sysctl(f"{IP6_CONF}/all/forwarding", "1")


def _sysctl(name: str) -> str:
    """A kernel parameter; '' if there is none of that name."""
    try:
        with open(name, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _set_sysctl(name: str, value: str) -> None:
    try:
        if _sysctl(name) == value:
            return
        fd = syscalls.open(name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            syscalls.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise HostError(f"cannot write {name}: {error.strerror}") from None
