"""Images in docker's form."""

from __future__ import annotations

from typing import Any

from minidock.api.models import api_times
from minidock.engine.inspect import inspect_container
from minidock.image.layer_directories import layer_size
from minidock.image.reference import Reference
from minidock.image.stored_image import Image


def summary(image: Image, names: list[Reference]) -> dict[str, Any]:
    """An image as `GET /images/json` lists it. Its parent is not known: no image is kept as a step of another."""
    size = image.size
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": [name.familiar for name in names if not name.digest],
        "RepoDigests": [name.familiar for name in names if name.digest],
        "Created": api_times.unix(image.created),
        "Size": size,
        "VirtualSize": size,
        "SharedSize": -1,
        "Labels": (image.config.get("config") or {}).get("Labels"),
        "Containers": -1,
    }


def details(image: Image, names: list[Reference]) -> dict[str, Any]:
    """Everything about one."""
    found = inspect_container.image(image, names)
    found |= {"RepoTags": [name.familiar for name in names if not name.digest],
              "RepoDigests": [name.familiar for name in names if name.digest],
              "VirtualSize": found["Size"], "Created": image.created or api_times.NEVER}  # fmt: skip
    return found


def history(image: Image, names: list[Reference]) -> list[dict[str, Any]]:
    """How it was made, the latest step first (OCI image spec, config.md, "history")."""
    sizes = [layer_size(image.root, diff_id) for diff_id in image.layers]
    rows: list[dict[str, Any]] = []
    for step in image.config.get("history") or []:
        own = 0 if step.get("empty_layer") or not sizes else sizes.pop(0)
        rows.append({"Id": "<missing>", "Created": api_times.unix(str(step.get("created") or "")),
                     "CreatedBy": str(step.get("created_by") or ""), "Tags": None, "Size": own,
                     "Comment": str(step.get("comment") or "")})  # fmt: skip
    rows.reverse()
    if rows:
        rows[0] |= {"Id": image.id, "Tags": [name.familiar for name in names if name.tag] or None}
    return rows
