"""The host as a router between its containers and the world: kernel parameters (ip-sysctl.rst in its documentation)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from minidock.errors import HostError
from minidock.linux import rtnetlink, syscalls
from minidock.network.firewall.filter_rules import FilterEndpoint, FilterNetwork

IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
IP6_CONF = "/proc/sys/net/ipv6/conf"


def enable(segments: Iterable[FilterNetwork], members: Iterable[FilterEndpoint]) -> list[HostError]:
    """Turn the host into a router, unless it is one already.

    `members`: all that there are, as a bridge that was deleted and made anew has forgotten what its containers needed.
    Returns what cannot be done.
    """
    try:
        _set_sysctl(IP_FORWARD, "1")
        if any(segment.subnet6 for segment in segments):
            _route_ipv6()
        for bridge in {member.bridge for member in members if member.published and rtnetlink.exists(member.bridge)}:
            # 127.0.0.1 leads nowhere but to the host itself, unless an interface is told to take it.
            _set_sysctl(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1")
    except HostError as error:
        return [error]
    return []


def _route_ipv6() -> None:
    """A router does not listen to other routers, so the host would lose its own default route with the next lease of
    it. `accept_ra` 2 is "listen all the same"."""
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
