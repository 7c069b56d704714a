"""A container as `GET /containers/json` lists it."""

from __future__ import annotations

from typing import Any

from minidock.api.models import api_times
from minidock.engine.container.records import Record
from minidock.engine.inspect import container_status, host_config, inspect_container, network_settings


def summary(record: Record, *, size: bool = False, image_name: str = "") -> dict[str, Any]:
    """`image_name`: what its image is called now, if that is not what it was made with."""
    data = record.data
    found: dict[str, Any] = {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": image_name or data["imageName"],
        "ImageID": data["image"],
        "Command": _command(data["command"]),
        "Created": api_times.unix(data["created"]),
        "Ports": ports(record),
        "Labels": data["config"]["labels"],
        "State": record.status,
        "Status": container_status.status(record),
        "HostConfig": {"NetworkMode": data["options"]["network"]},
        "NetworkSettings": {"Networks": network_settings.settings(record)["Networks"] if data["attachments"] else {}},
        "Mounts": [host_config.mount_point(point) for point in data.get("mounts", ())],
    }
    if size:
        written, image_size = inspect_container.sizes(record)
        found |= {"SizeRw": written, "SizeRootFs": written + image_size}
    return found


def _command(words: list[str]) -> str:
    return " ".join([*words[:1], *(f"'{word}'" if " " in word else word for word in words[1:])])


def ports(record: Record) -> list[dict[str, Any]]:
    """Where the host's ports lead, and what is exposed beside them."""
    rows: list[dict[str, Any]] = []
    if not record.is_up:
        return rows
    for key, bindings in (record.data.get("ports") or {}).items():
        port, _, protocol = key.partition("/")
        rows += [{"IP": row["HostIp"], "PrivatePort": int(port), "PublicPort": int(row["HostPort"]), "Type": protocol}
                 for row in bindings or []]  # fmt: skip
        rows += [] if bindings else [{"PrivatePort": int(port), "Type": protocol}]
    return rows
