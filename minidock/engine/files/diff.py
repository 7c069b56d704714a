"""`diff`: list the files that a container has added, changed and deleted."""

from __future__ import annotations

import os

from minidock import state
from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.image.layer_diff import differences
from minidock.linux import id_maps, overlay

_BUNDLE = {"mounts": [{"destination": str}]}


def changed(root: str, name: str) -> list[tuple[str, str]]:
    """(A, C or D; path) of what the container called `name` has changed."""
    record = records.find(root, name)
    with records.used(record):
        if not os.path.exists(record.path("bundle", "config.json")):
            record.reload()
            return []  # it is just being made
        return differences_of(record)


def differences_of(record: Record) -> list[tuple[str, str]]:
    """(A, C or D; path) of what is in the upper directory and not in the layers below it (`image/layer_diff.py`)."""
    lower = [*filter(os.path.isdir, [record.path("init")]), *record.data["layers"][::-1]]
    maps = id_maps.from_record(record.data.get("idMaps"))
    return differences(record.path("upper"), lower, _mount_points(record, lower), maps)


def _mount_points(record: Record, lower: list[str]) -> list[str]:
    """Where the runtime mounts what every container has, if the layers below have nothing there: it is made on top."""
    asked = {point["destination"] for point in record.data["mounts"]} | set(record.data["options"]["tmpfs"])
    spec = state.read_json(record.path("bundle", "config.json"), _BUNDLE, "start the container, which writes it anew")
    places = {mount["destination"] for mount in spec["mounts"]} - asked - {"/"}
    return [path for path in places if overlay.entry(lower, path.strip("/").split("/")) is None]
