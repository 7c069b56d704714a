"""Names of the interfaces that lead to containers: `md` and the container's id on the host, `eth0`, ... inside.

The number inside and the letter on the host belong together: eth0 and md1a2b3c4d5e6f, eth1 and md1a2b3c4d5e6fa.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Mapping

from minidock.errors import ConflictError
from minidock.network import network_drivers

# What the name of the n-th interface on the host ends in: nothing for that of eth0. 15 characters are the kernel's
# limit (IFNAMSIZ).
_LETTERS = ("", *"abcdefghijklmnopqrstuvwxyz")
_PREFIX = "md"
_ID = 12  # characters of the container's id
PREFIX_LENGTH = len(_PREFIX) + _ID


def next_host_interface(container_id: str, taken: Collection[str]) -> str:
    """A name not in `taken` for one more interface on the host. Raises `ConflictError` if there are 27 already."""
    for letter in _LETTERS:
        if (name := f"{_PREFIX}{container_id[:_ID]}{letter}") not in taken:
            return name
    raise ConflictError(f"container {container_id[:_ID]} is on {len(taken)} networks already, which is the limit")


def host_interface_of(container_id: str, interface: str) -> str:
    """The name on the host that belongs to `interface` in the container."""
    number = re.search("[0-9]*$", interface)
    return f"{_PREFIX}{container_id[:_ID]}{_LETTERS[int(number[0] or 0) if number else 0]}"


def container_interface(driver: str, options: Mapping[str, str], host_interface: str) -> str:
    """The name in the container that belongs to `host_interface`, on a network with that driver and those options."""
    return f"{network_drivers.find(driver).interface_prefix(options)}{_LETTERS.index(host_interface[PREFIX_LENGTH:])}"


def host_interfaces(container_id: str) -> list[str]:
    """The interfaces on this host that lead to the container, as the kernel lists them."""
    return [name for _, name in socket.if_nameindex() if name.startswith(f"{_PREFIX}{container_id[:_ID]}")]
