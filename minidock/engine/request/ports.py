"""Ports: `-p`, `--expose`, in all the forms that docker knows, and its words for what is none."""

from __future__ import annotations

import re

from minidock.engine.request.values import fail
from minidock.errors import UsageError
from minidock.network.port_bindings import PortRequest

PROTOCOLS = ("tcp", "udp", "sctp")
HIGHEST = 65535


def publish(texts: tuple[str, ...]) -> list[PortRequest]:
    """-p [[ADDRESS:][HOST_PORT]:]PORT[/PROTOCOL], each port also as a range, or published=8080,target=80."""
    return [request for text in texts for request in _publish(_standard(text))]


def expose(texts: tuple[str, ...]) -> list[str]:
    """--expose PORT[-PORT][/PROTOCOL], as a list of ports like 80/tcp."""
    found = []
    for text in texts:
        if ":" in text:
            raise fail(f"invalid port format for --expose: {text}")
        ports, protocol = _protocol(text)
        try:
            first, last = _range(ports)
        except ValueError as error:
            raise fail(f"invalid range format for --expose: {text}, error: {error}") from None
        found += [f"{port}/{protocol}" for port in range(first, last + 1)]
    return found


def _publish(text: str) -> list[PortRequest]:
    before, _, port = text.rpartition(":")
    inside, protocol = _protocol(port)
    address, outside = _address(before)
    if not inside:
        raise fail(f"no port specified: {text}<empty>")
    try:
        first, last = _range(inside)
    except ValueError:
        raise fail(f"invalid containerPort: {inside}") from None
    try:
        host_first, host_last = _range(outside, lowest=0) if outside else (0, 0)
    except ValueError:
        raise fail(f"invalid hostPort: {outside}") from None
    if host_first == host_last == 0:
        pass  # whichever the host has
    elif first == last:
        return [PortRequest(protocol, first, address, host_first, host_last)]  # any one of the host's ports
    elif last - first != host_last - host_first:
        raise fail(f"invalid ranges specified for container and host Ports: {inside} and {outside}")
    return [
        PortRequest(protocol, port, address, host_port, host_port)
        for port, host_port in zip(
            range(first, last + 1),
            range(host_first, host_last + 1) if host_first else [0] * (last - first + 1),
            strict=True,
        )
    ]


def _standard(text: str) -> str:
    """The form published=8080,target=80,protocol=tcp in the other form."""
    if "=" not in text:
        return text
    given = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals:
            raise fail(f"invalid publish opts format (should be name=value but got '{field}')")
        given[key] = value
    target, published = given.get("target", ""), given.get("published", "")
    return f"{published}:{target}/{given.get('protocol', 'tcp')}"


def _protocol(text: str) -> tuple[str, str]:
    """What is before the slash, and the protocol after it."""
    rest, _, protocol = text.partition("/")
    if protocol and protocol.lower() not in PROTOCOLS:
        raise fail(f"invalid proto: {protocol}")
    return rest, protocol.lower() or "tcp"


def _address(text: str) -> tuple[str, str]:
    """The address and the port in what stands before the container's port; each may be missing."""
    if ":" not in text:
        return "", text
    address, _, port = text.rpartition(":")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not bare:
        return "", port
    return _checked(bare), port


def _checked(address: str) -> str:
    """The address in its usual spelling. Raises `UsageError`."""
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, address))
    except (OSError, ValueError):
        raise fail(f"invalid IP address: {address}") from None


def _range(text: str, *, lowest: int = 1) -> tuple[int, int]:
    """8000 or 8000-8010. Raises ValueError, in the words that docker has for --expose."""
    if not text:
        raise ValueError("empty string specified for ports")
    first, dash, last = text.partition("-")
    numbers = []
    for part in (first, last) if dash else (first,):
        if not re.fullmatch(r"[0-9]+", part):
            raise ValueError(f'strconv.ParseUint: parsing "{part}": invalid syntax')
        if not lowest <= int(part) <= HIGHEST:
            raise ValueError(f'strconv.ParseUint: parsing "{part}": value out of range')
        numbers.append(int(part))
    if numbers[0] > numbers[-1]:
        raise ValueError(f"invalid range specified for port: {text}")
    return numbers[0], numbers[-1]


def refuse_with(network: str, requests: list[PortRequest]) -> None:
    """Refuse to publish ports of a container that has no network of its own to publish them on."""
    if requests and network.startswith("container:"):
        raise UsageError("conflicting options: port publishing and the container type network mode")
