"""Published ports: which of the host's are a container's, and that nobody else can take them meanwhile.

The way to the container is made by the packet filter (`filter_rules.py`), which asks nobody whether a port is in use:
it would take a running web server's visitors away without a word. So each published port is first taken as any server
takes it, with a socket of the monitor's that is bound to it as long as the container runs. The kernel then is the judge
between parallel starts, other engines and other programs, in either direction, and a monitor that is killed gives its
ports back at once.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from minidock.errors import ConflictError, HostError, UsageError
from minidock.network.port_bindings import PortRequest, Published, place
from minidock.observe import announced

PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
TAKEN = errno.EADDRINUSE
# Python's socket module knows this number only where the system's headers do.
IPPROTO_SCTP = 132

_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, IPPROTO_SCTP),
}


class PortInUseError(ConflictError):
    """A port that was asked for is somebody else's."""

    def __init__(self, protocol: str, address: str, port: int) -> None:
        super().__init__(f"listen {protocol} {place(address, port)}: bind: address already in use")
        self.protocol = protocol
        self.address = address
        self.port = port


class BoundPorts(NamedTuple):
    """Published ports, and the sockets that keep them."""

    published: list[Published]
    sockets: list[socket.socket]

    def close(self) -> None:
        """Let go of the ports."""
        for held in self.sockets:
            held.close()
        self.sockets.clear()


def bind_ports(wishes: list[PortRequest], *, has_ipv6: bool, default: str = "0.0.0.0") -> BoundPorts:
    """Take a port of the host for every wish. `has_ipv6`: the container has an IPv6 address to lead to.

    Wishes for one port go first: the others take what is left, also of the same container's.

    `default` is the host's address for wishes that name none: one alone, or every one of IPv4 and of IPv6.

    Raises `PortInUseError` or `ConflictError` if one is in use, `UsageError` for a host address that leads nowhere,
    `HostError` for one that is not the host's; nothing is held then.
    """
    held = BoundPorts([], [])
    try:
        for wish in sorted(dict.fromkeys(wishes), key=lambda wish: not (wish.first and wish.first == wish.last)):
            addresses = [wish.host_address or default]
            if not wish.host_address and default == "0.0.0.0" and has_ipv6:
                addresses.append("::")
            if ":" in wish.host_address:
                _check_ipv6(wish.host_address, has_ipv6=has_ipv6)
            port, sockets = _first_free(wish, addresses)
            held.sockets.extend(sockets)
            held.published.extend(Published(wish.protocol, address, port, wish.port) for address in addresses)
    except BaseException:
        held.close()
        raise
    return held


def _check_ipv6(address: str, *, has_ipv6: bool) -> None:
    if not has_ipv6:
        raise UsageError(f"cannot publish on [{address}]: the container's network has no IPv6")
    if address == "::1":  # IPv6 has nothing like route_localnet
        raise UsageError("cannot publish on [::1]: the kernel sends that nowhere but to the host; take 127.0.0.1")


def _first_free(wish: PortRequest, addresses: list[str]) -> tuple[int, list[socket.socket]]:
    """The first port of the range that is free at all of the addresses, and the sockets that have it now."""
    for port in _candidates(wish):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(_bind(wish.protocol, address, port))
        except OSError as error:
            for taken in sockets:
                taken.close()
            if error.errno != TAKEN:
                where = place(addresses[0], port)
                words = os.strerror(error.errno or 0).lower()
                raise HostError(f"listen {wish.protocol} {where}: bind: {words}") from error
        else:
            return port, sockets
    if wish.first and wish.first == wish.last:
        raise PortInUseError(wish.protocol, addresses[0], wish.first)
    span = f"{wish.first}-{wish.last}" if wish.first else f"those in {PORT_RANGE}"
    raise ConflictError(f"all ports are allocated ({span})")


def _candidates(wish: PortRequest) -> Iterator[int]:
    """The ports to try: of the user's range, or of those that the host hands out itself (ip(7))."""
    first, last = wish.first, wish.last
    if not first:
        with open(PORT_RANGE, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    yield from range(first, last + 1)


def _bind(protocol: str, address: str, port: int) -> socket.socket:
    """A socket that has the port and answers nobody."""
    kind, number = _KINDS[protocol]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, kind | socket.SOCK_CLOEXEC, number)
    except OSError as error:
        if protocol == "sctp" and error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return _bind_name(f"minidock/{protocol}/{family.name}/{port}")
        raise
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # As every server does: connections of its predecessor that are in TIME_WAIT do not count (tcp(7)).
            _set_reuse(made, 1)
        announced("bind", (made.fileno(), address, port), lambda: made.bind((address, port)))
        if protocol == "tcp":
            _stop_listening(made)
    except BaseException:
        made.close()
        raise
    return made


def _bind_name(name: str) -> socket.socket:
    """In place of a port of a protocol that this kernel can filter but not speak: only containers can want it then, and
    they agree by a name that, like a port, belongs to the network namespace (unix(7), abstract sockets)."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        announced("bind", (made.fileno(), f"\0{name}"), lambda: made.bind(f"\0{name}"))
    except BaseException:
        made.close()
        raise
    return made


def _stop_listening(bound: socket.socket) -> None:
    """Make the port ours alone, and answer nobody.

    Of two sockets with SO_REUSEADDR the one that listens first has the port, so we listen once. Then the option goes:
    without it the port stays ours. Only then do we stop listening, or another could begin to. For whoever came past the
    packet filter would be connected to a socket that nobody reads, and wait for ever (`[::1]` is such a way); of one
    that is bound and does not listen, the kernel says that the connection is refused.
    """
    announced("listen", (bound.fileno(), 0), lambda: bound.listen(0))
    _set_reuse(bound, 0)
    announced("shutdown", (bound.fileno(), "SHUT_RD"), lambda: bound.shutdown(socket.SHUT_RD))


def _set_reuse(made: socket.socket, value: int) -> None:
    arguments = (made.fileno(), "SOL_SOCKET", "SO_REUSEADDR", value)
    announced("setsockopt", arguments, lambda: made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, value))
