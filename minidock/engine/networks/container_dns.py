"""The container's own name server (network/dns_server.py): when there is one, and whom it asks."""

from __future__ import annotations

import os

from minidock.engine.container.container_options import from_json
from minidock.engine.container.records import Record
from minidock.engine.monitor.container_process import Running
from minidock.engine.networks import container_networks
from minidock.engine.spec import etc_files
from minidock.errors import MinidockError
from minidock.linux import namespaces
from minidock.network.dns_names import Names
from minidock.network.dns_server import Resolver, Server
from minidock.observe import step


def make(record: Record, pid: int, sockets: tuple[int, int] | None = None) -> Resolver:
    """The resolver, which is still to be started, of the container whose first process is `pid`.

    `sockets`: those of one that was there before (`Resolver.pause`). Raises `FileNotFoundError` if the process is
    gone, `OSError` if the container cannot be led to it.
    """
    asked = record.data["options"]["dns"]
    servers = [Server(address, False) for address in asked]
    servers = servers or [Server(address, etc_files.is_loopback(address)) for address in etc_files.host_servers()]
    with step("Start the container's name server", book="4.1.1"):
        netns = namespaces.open_namespace(pid, "network")
        try:
            return Resolver(Names(record.root, record.id, _links(record)), servers, netns, sockets)
        finally:
            os.close(netns)


def _links(record: Record) -> dict[str, str]:
    """The container's aliases for others, whose short ids are among their names."""
    asked = container_networks.attachments(record).values()
    return {alias.lower(): container_id[:12] for one in asked for container_id, alias in one.links}


def follow(record: Record, running: Running) -> list[str]:
    """The networks of a running container have changed: give it a resolver if it needs one now. Returns warnings."""
    try:
        record.reload()
        if running.resolver:
            running.resolver.names.links = _links(record)
        elif container_networks.has_names(record.data["networks"]):
            running.resolver = make(record, running.created.pid)
            running.resolver.start()
            resolv = etc_files.resolv_conf(from_json(record.data["options"]), has_names=True)
            with step("Name the name server in resolv.conf", book="4.1.1"):
                etc_files.rewrite(record.path("resolv.conf"), resolv)
    except FileNotFoundError:  # it ends at this moment
        return []
    except (OSError, MinidockError) as error:
        return [f"names of other containers are not known inside: {error}"]
    return []
