"""Network drivers: how a network is made in the kernel. A driver is one module with what `network_driver.Driver` lists.

A new one gets its name in `NAMES` and its import in `find`. `host` and `null` are no drivers: on the networks of these
names a container has no interface of its own. What all drivers share is elsewhere: subnets in `ipam.py`, addresses in
`leases.py` and `reserve.py`.
"""

from __future__ import annotations

from minidock.errors import NotFoundError
from minidock.network.network_drivers.network_driver import Driver

BRIDGE, MACVLAN = "bridge", "macvlan"
NAMES = (BRIDGE, MACVLAN)
DEFAULT = BRIDGE


def find(name: str) -> Driver:
    """The driver called `name`. Raises `NotFoundError` in docker's words if there is none."""
    if name == BRIDGE:
        from minidock.network.network_drivers import bridge

        return bridge
    if name == MACVLAN:
        from minidock.network.network_drivers import macvlan

        return macvlan
    raise NotFoundError(f'plugin "{name}" not found')
