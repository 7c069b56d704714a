"""Published ports: which of the host's are a container's, and that nobody else can take them meanwhile.

The way to the container is made by the packet filter (`ruleset.py`), which asks nobody whether a port is in use: it
would take a running web server's visitors away without a word. So each published port is first taken as any server
takes it, with a socket of the monitor's that is bound to it as long as the container runs. The kernel then is the judge
between parallel starts, other engines and other programs, in either direction, and a monitor that is killed gives its
ports back at once.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from minidock.errors import ConflictError, HostError, UsageError
from minidock.network.published import Published, Wish
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


class Held(NamedTuple):
    """Published ports, and the sockets that keep them."""

    published: list[Published]
    sockets: list[socket.socket]

    def close(self) -> None:
        """Let go of the ports."""
        for held in self.sockets:
            held.close()
        self.sockets.clear()


def hold(wishes: list[Wish], *, has_ipv6: bool) -> Held:
    """Take a port of the host for every wish, in order. `has_ipv6`: the container has an IPv6 address to lead to.

    Raises `ConflictError` if one is in use, `UsageError` for a host address that leads nowhere, `HostError` for one
    that is not the host's; nothing is held then.
    """
    held = Held([], [])
    try:
        for wish in dict.fromkeys(wishes):
            addresses = [wish.host_address] if wish.host_address else ["0.0.0.0", *(["::"] if has_ipv6 else [])]
            if wish.host_address and ":" in wish.host_address and not has_ipv6:
                raise UsageError(f"cannot publish on [{wish.host_address}]: the container's network has no IPv6")
            port, sockets = _first_free(wish, addresses)
            held.sockets.extend(sockets)
            held.published.extend(Published(wish.protocol, address, port, wish.port) for address in addresses)
    except BaseException:
        held.close()
        raise
    return held


def _first_free(wish: Wish, addresses: list[str]) -> tuple[int, list[socket.socket]]:
    """The first port of the range that is free at all of the addresses, and the sockets that have it now."""
    for port in _candidates(wish):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets += _bind(wish.protocol, address, port)
        except OSError as error:
            for taken in sockets:
                taken.close()
            if error.errno != TAKEN:
                where = _place(addresses[0], str(port))
                raise HostError(f"listen {wish.protocol} {where}: bind: {_words(error)}") from error
        else:
            return port, sockets
    if wish.first == wish.last and wish.first:
        raise ConflictError(f"Bind for {_place(addresses[0], str(wish.first))} failed: port is already allocated")
    raise ConflictError(f"all ports of the range {wish.first or 'that is for any use'}-{wish.last} are allocated"
                        if wish.first else f"all ports are allocated (those in {PORT_RANGE})")  # fmt: skip


def _candidates(wish: Wish) -> Iterator[int]:
    """The ports to try: of the user's range, or of those that the host hands out itself (ip(7))."""
    first, last = wish.first, wish.last
    if not first:
        with open(PORT_RANGE, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    yield from range(first, last + 1)


def _bind(protocol: str, address: str, port: int) -> list[socket.socket]:
    """A socket that has the port and answers nobody; none for a protocol that this kernel does not speak itself."""
    kind, number = _KINDS[protocol]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, kind | socket.SOCK_CLOEXEC, number)
    except OSError as error:
        if protocol == "sctp" and error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return []  # then no program of this host can have the port either
        raise
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # As every server does: connections of its predecessor that are in TIME_WAIT do not count (tcp(7)).
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        announced("bind", (protocol, address, port), lambda: made.bind((address, port)))
        if protocol == "tcp":
            _stop_listening(made)
    except BaseException:
        made.close()
        raise
    return [made]


def _stop_listening(bound: socket.socket) -> None:
    """Make the port ours alone, and answer nobody.

    Of two sockets with SO_REUSEADDR the one that listens first has the port, so we listen once. But whoever came past
    the packet filter would be connected to a socket that nobody reads, and wait for ever (`[::1]` is such a way). A
    socket that has stopped listening stays bound, and the kernel refuses connections; without the option, it also
    refuses everybody else.
    """
    bound.listen(0)
    bound.shutdown(socket.SHUT_RD)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def _place(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _words(error: OSError) -> str:
    with suppress(ValueError, TypeError):
        return os.strerror(error.errno or 0).lower()
    return str(error)
