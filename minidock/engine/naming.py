"""The container's own name server (network/resolver.py): when there is one, and whom it asks."""

from __future__ import annotations

import os

from minidock.engine import connections, etc
from minidock.engine.records import Record
from minidock.linux import namespaces
from minidock.network.names import Names
from minidock.network.resolver import Resolver, Server
from minidock.observe import step


def start(record: Record, pid: int) -> Resolver:
    """Start the resolver of the container whose first process is `pid`.

    Raises `FileNotFoundError` if the process is gone, `HostError` if the container cannot be led to it.
    """
    links = {alias.lower(): container.lower() for asked in connections.attachments(record).values()
             for container, alias in asked.links}  # fmt: skip
    asked = record.data["options"]["dns"]
    servers = [Server(address, False) for address in asked]
    servers = servers or [Server(address, etc.is_loopback(address)) for address in etc.host_servers()]
    netns = namespaces.open_namespace(pid, "network")
    try:
        with step("a name server of its own, for the names of its neighbours", book="4.1.1"):
            resolver = Resolver(Names(record.root, record.id, links), servers, netns)
            resolver.start()
    finally:
        os.close(netns)
    return resolver
