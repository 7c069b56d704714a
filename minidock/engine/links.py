"""Links (--link), as containers found each other before they had networks of their own (book 6).

On the default network a link is a line in the hosts file and a handful of variables with the other container's ports.
On a network that a user made it is only one more name there, which the resolver knows (network/resolver.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minidock.engine import etc, publishing, records
from minidock.engine.records import Record
from minidock.errors import EXIT_ENGINE, ConflictError, NotFoundError
from minidock.network import store

_PRIVATE = ("HOME", "PATH")  # what docker does not tell of the other's environment


class Link(NamedTuple):
    """One linked container: its line in the hosts file, and its variables ("DB_PORT=tcp://172.30.0.2:5432")."""

    row: etc.Row
    variables: list[str]


def linked(record: Record) -> list[Link]:
    """The containers that this one is linked to on the default network, in docker's form.

    Raises `NotFoundError`, or `ConflictError` for one that does not run or is not on the default network.
    """
    asked = record.data["attachments"].get(store.BRIDGE, {})
    return [_link(record, target(record.root, name), alias) for name, alias in asked.get("links", [])]


def target(root: str, name: str) -> Record:
    """The container that --link names. Raises `NotFoundError` in docker's words."""
    try:
        return records.find(root, name)
    except NotFoundError:
        raise NotFoundError(f"could not get container for {name}: No such container: {name}") from None


def _link(record: Record, other: Record, alias: str) -> Link:
    if store.BRIDGE not in other.data["attachments"]:
        message = f"Cannot link to /{other.name}, as it does not belong to the default network"
        raise ConflictError(message, exit_code=EXIT_ENGINE)
    if other.status != records.RUNNING or store.BRIDGE not in other.data["networks"]:
        message = f"Cannot link to a non running container: /{other.name} AS /{record.name}/{alias}"
        raise ConflictError(message, exit_code=EXIT_ENGINE)
    address = other.data["networks"][store.BRIDGE]["address"]
    names = list(dict.fromkeys([alias, other.id[:12], other.name]))
    return Link((address, " ".join(names)), _variables(record, other, alias, address))


def _variables(record: Record, other: Record, alias: str, address: str) -> list[str]:
    """What docker calls legacy link environment variables (docs.docker.com/network/links)."""
    prefix = alias.upper().replace("-", "_")
    ports = [(int(key.partition("/")[0]), key.partition("/")[2]) for key in publishing.exposed(other.data)]
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


def _environment(data: dict[str, Any]) -> list[str]:
    """The other's variables: the image's and its user's."""
    rows = [*(data["imageConfig"].get("Env") or []), *data["options"]["env"]]
    merged = dict(row.partition("=")[::2] for row in rows if "=" in row)
    return [f"{name}={value}" for name, value in merged.items()]
