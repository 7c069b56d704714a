"""Published ports: reserve ports of the host for a container, so that no other program can take them.

The packet filter forwards packets to the container (`filter_rules.py`) without looking whether a port is in use: a
running web server would silently lose its clients. So each published port is first bound by a socket of the monitor,
which keeps it for as long as the container runs. The kernel decides between parallel starts, other engines and other
programs, and a killed monitor frees its ports at once.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from minidock.errors import ConflictError, HostError, UsageError
from minidock.named_tuple import NamedTuple
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
    """A port that was asked for is in use."""

    def __init__(self, protocol: str, address: str, port: int) -> None:
        super().__init__(f"listen {protocol} {place(address, port)}: bind: address already in use")
        self.protocol = protocol
        self.address = address
        self.port = port


class BoundPorts(NamedTuple):
    """Published ports, and the sockets that reserve them."""

    published: list[Published]
    sockets: list[socket.socket]

    def close(self) -> None:
        """Free the ports."""
        for held in self.sockets:
            held.close()
        self.sockets.clear()


def bind_ports(requests: list[PortRequest], *, has_ipv6: bool, default: str = "0.0.0.0") -> BoundPorts:
    """Reserve a port of the host for every request. `has_ipv6`: the container has an IPv6 address.

    Requests for one certain port come first: the others take what is left, also by the same container's.

    `default` is the host's address for requests without one; "0.0.0.0" is all addresses, with `has_ipv6` of IPv6 too.

    Raises `PortInUseError` or `ConflictError` if one is in use, `UsageError` for a host address that leads nowhere,
    `HostError` for one that is not the host's; then none is reserved.
    """
    held = BoundPorts([], [])
    try:
        for request in sorted(dict.fromkeys(requests), key=_is_flexible):
            addresses = [request.host_address or default]
            if not request.host_address and default == "0.0.0.0" and has_ipv6:
                addresses.append("::")
            if ":" in request.host_address:
                _check_ipv6(request.host_address, has_ipv6=has_ipv6)
            port, sockets = _first_free(request, addresses)
            held.sockets.extend(sockets)
            held.published.extend(Published(request.protocol, address, port, request.port) for address in addresses)
    except BaseException:
        held.close()
        raise
    return held


def _is_flexible(request: PortRequest) -> bool:
    """Whether any of several ports of the host will do."""
    return not request.first or request.first != request.last


def _check_ipv6(address: str, *, has_ipv6: bool) -> None:
    if not has_ipv6:
        raise UsageError(f"cannot publish on [{address}]: the container's network has no IPv6")
    if address == "::1":  # IPv6 has nothing like route_localnet
        raise UsageError("cannot publish on [::1]: the kernel sends that nowhere but to the host; take 127.0.0.1")


def _first_free(request: PortRequest, addresses: list[str]) -> tuple[int, list[socket.socket]]:
    """The first port of the range that is free at all of the addresses, and the sockets that reserve it."""
    for port in _candidates(request):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(_bind(request.protocol, address, port))
        except OSError as error:
            for taken in sockets:
                taken.close()
            if error.errno != TAKEN:
                where = place(addresses[0], port)
                words = os.strerror(error.errno or 0).lower()
                raise HostError(f"listen {request.protocol} {where}: bind: {words}") from error
        else:
            return port, sockets
    if request.first and request.first == request.last:
        raise PortInUseError(request.protocol, addresses[0], request.first)
    span = f"{request.first}-{request.last}" if request.first else f"those in {PORT_RANGE}"
    raise ConflictError(f"all ports are allocated ({span})")


def _candidates(request: PortRequest) -> Iterator[int]:
    """The ports to try: those of the user's range, or the host's ephemeral ports (ip(7))."""
    first, last = request.first, request.last
    if not first:
        with open(PORT_RANGE, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    yield from range(first, last + 1)


def _bind(protocol: str, address: str, port: int) -> socket.socket:
    """A socket that reserves the port and accepts nothing."""
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
            # As all servers do: connections of an earlier server in TIME_WAIT do not keep the port busy (tcp(7)).
            _set_reuse(made, 1)
        announced("bind", (made.fileno(), address, port), lambda: made.bind((address, port)))
        if protocol == "tcp":
            _stop_listening(made)
    except BaseException:
        made.close()
        raise
    return made


def _bind_name(name: str) -> socket.socket:
    """For a protocol that this kernel can filter but not speak: reserve a name instead of the port.

    Only containers can use the port then. Like a port, the name belongs to the network namespace (unix(7), abstract).
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        announced("bind", (made.fileno(), f"\0{name}"), lambda: made.bind(f"\0{name}"))
    except BaseException:
        made.close()
        raise
    return made


def _stop_listening(bound: socket.socket) -> None:
    """Keep the port for this socket alone, without accepting connections.

    Of several sockets with SO_REUSEADDR, the first that listens has the port, so this one listens once. Then the option
    is removed: without it the port stays taken. Only then does the socket stop listening, or another could begin to. If
    it went on listening, a client that the packet filter does not forward (by `[::1]`) would be connected and wait for
    ever; a socket that is bound and does not listen refuses the connection.
    """
    announced("listen", (bound.fileno(), 0), lambda: bound.listen(0))
    _set_reuse(bound, 0)
    announced("shutdown", (bound.fileno(), "SHUT_RD"), lambda: bound.shutdown(socket.SHUT_RD))


def _set_reuse(made: socket.socket, value: int) -> None:
    arguments = (made.fileno(), "SOL_SOCKET", "SO_REUSEADDR", value)
    announced("setsockopt", arguments, lambda: made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, value))
