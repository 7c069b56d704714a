"""Links (--link), as containers found each other before they had networks of their own (book 6).

On the default network a link is a line in the hosts file and a handful of variables with the other container's ports.
On a network that a user made it is only one more name there, which the resolver knows (network/dns_server.py).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.spec import etc_files, published_ports
from minidock.errors import EXIT_ENGINE, ConflictError, NotFoundError
from minidock.named_tuple import NamedTuple
from minidock.network import predefined

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields

LINKED = "linked"  # in a container's directory: a file for each container that is linked to it, named by its id
_PRIVATE = ("HOME", "PATH")  # what docker does not tell of the other's environment


class Link(NamedTuple):
    """One linked container: its line in the hosts file, and its variables ("DB_PORT=tcp://172.30.0.2:5432")."""

    row: etc_files.Row
    variables: list[str]


def linked(record: Record) -> list[Link]:
    """The containers that this one is linked to on the default network, in docker's form.

    Raises `NotFoundError`, or `ConflictError` for one that does not run or is not on the default network.
    """
    return [_link(record, target(record.root, container_id), alias) for container_id, alias in _asked(record)]


def _asked(record: Record) -> list[tuple[str, str]]:
    """The rows (container id, alias) of --link on the default network."""
    rows = record.data["attachments"].get(predefined.BRIDGE, {}).get("links", [])
    return [(container_id, alias) for container_id, alias in rows]


def target(root: str, name: str) -> Record:
    """The container that --link names. Raises `NotFoundError` in docker's words."""
    try:
        return records.find(root, name)
    except NotFoundError:
        raise NotFoundError(f"could not get container for {name}: No such container: {name}") from None


def _link(record: Record, other: Record, alias: str) -> Link:
    if predefined.BRIDGE not in other.data["attachments"]:
        message = f"Cannot link to /{other.name}, as it does not belong to the default network"
        raise ConflictError(message, exit_code=EXIT_ENGINE)
    if other.status != records.RUNNING or predefined.BRIDGE not in other.data["networks"]:
        message = f"Cannot link to a non running container: /{other.name} AS /{record.name}/{alias}"
        raise ConflictError(message, exit_code=EXIT_ENGINE)
    row = _row(other, alias)
    return Link(row, _variables(record, other, alias, row[0]))


def remember(record: Record) -> None:
    """Note with each linked container that this one must hear of it when it has another address (`follow`)."""
    for container_id, _ in _asked(record):
        other = target(record.root, container_id)
        os.makedirs(other.path(LINKED), mode=0o700, exist_ok=True)
        with open(other.path(LINKED, record.id), "w", encoding="ascii"):
            pass


def unlink(root: str, text: str) -> None:
    """`rm --link [/]CONTAINER/ALIAS`: the container knows the other one by that name no more.

    Its variables are those that its first process was given; they go with its next start. Raises `NotFoundError`.
    """
    name, _, alias = text.strip("/").rpartition("/")
    if not name:
        record = records.find(root, alias)
        raise ConflictError(f"Conflict, cannot remove the default link name of the container {record.name}")
    record = records.find(root, name)
    with records.changing(record):
        kept = [row for row in _asked(record) if row[1] != alias]
        if kept == _asked(record):
            raise NotFoundError(f"No such container: {text.strip('/')}")
        record.data["attachments"][predefined.BRIDGE]["links"] = kept
        if record.is_up:
            gone = [(address, names) for address, names in _rows(record) if names.split()[0] == alias]
            etc_files.replace_rows(record.path("hosts"), gone, [])


def follow(record: Record) -> None:
    """The container has started: put its address right in the hosts files of those that are linked to it."""
    for container_id in os.listdir(record.path(LINKED)):
        follower = records.load(record.root, container_id)
        if follower is None:  # removed
            with suppress(FileNotFoundError):
                os.unlink(record.path(LINKED, container_id))
        elif follower.is_up:
            new = [_row(record, alias) for container_id, alias in _asked(follower) if container_id == record.id]
            old = [(address, names) for address, names in _rows(follower) if record.id[:12] in names.split()]
            with suppress(FileNotFoundError), records.changing(follower):  # one at a time
                etc_files.replace_rows(follower.path("hosts"), old, new)


def _rows(record: Record) -> list[etc_files.Row]:
    """The lines of a container's hosts file."""
    lines = [line.split("\t") for line in etc_files.host_file(record.path("hosts")).splitlines()]
    return [(fields[0], fields[1]) for fields in lines if len(fields) > 1 and fields[1].strip()]


def _row(other: Record, alias: str) -> etc_files.Row:
    """The linked container's line in the hosts file."""
    names = dict.fromkeys([alias, other.id[:12], other.name])
    return other.data["networks"][predefined.BRIDGE]["address"], " ".join(names)


def _variables(record: Record, other: Record, alias: str, address: str) -> list[str]:
    """What docker calls legacy link environment variables (docs.docker.com/network/links)."""
    prefix = alias.upper().replace("-", "_")
    ports = [(int(key.partition("/")[0]), key.partition("/")[2]) for key in published_ports.exposed(other.data)]
    variables = []
    if ports:
        first = min(ports, key=lambda port: (port[0], port[1] != "tcp"))
        variables.append(f"{prefix}_PORT={first[1]}://{address}:{first[0]}")
    for number, protocol in ports:
        stem = f"{prefix}_PORT_{number}_{protocol.upper()}"
        variables += [f"{stem}={protocol}://{address}:{number}", f"{stem}_ADDR={address}", f"{stem}_PORT={number}",
                      f"{stem}_PROTO={protocol}"]  # fmt: skip
    variables.append(f"{prefix}_NAME=/{record.name}/{alias}")
    for variable in _environment(other.data):
        if variable.partition("=")[0] not in _PRIVATE:
            variables.append(f"{prefix}_ENV_{variable}")
    return variables


def _environment(data: RecordFields) -> list[str]:
    """The other's variables: the image's and its user's."""
    rows = [*(data["imageConfig"].get("Env") or []), *data["options"]["env"]]
    merged = dict(row.partition("=")[::2] for row in rows if "=" in row)
    return [f"{name}={value}" for name, value in merged.items()]
