"""Volumes."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.versions import Version
from minidock.engine.container import recovery
from minidock.engine.volumes import volume_filters, volumes
from minidock.engine.volumes.prune import prune_volumes
from minidock.engine.volumes.rm import remove_volume

_PRUNES_UNNAMED = Version(1, 42)  # from here on, only volumes without a name are pruned unless `all` says otherwise


def ls(call: Call) -> None:
    """GET /volumes."""
    wanted = volume_filters.parse(call.filters(), volume_filters.FOR_LISTS)
    recovery.sweep_all(call.root)
    found = volume_filters.select(call.root, wanted)
    warnings = [str(volume.damage) for volume in found if volume.damage]
    call.json({"Volumes": [volume.describe() for volume in found], "Warnings": warnings or None})


def inspect(call: Call) -> None:
    """GET /volumes/NAME."""
    call.json(volumes.find(call.root, call.name).describe())


def create(call: Call) -> None:
    """POST /volumes/create."""
    asked = call.fields(needed=True)
    made = volumes.create(call.root, asked.text("Name"), driver=asked.text("Driver"), labels=asked.table("Labels"),
                          options=asked.table("DriverOpts"))  # fmt: skip
    call.json(made.describe(), 201)


def remove(call: Call) -> None:
    """DELETE /volumes/NAME."""
    recovery.sweep_all(call.root)
    remove_volume(call.root, call.name, force=call.flag("force"))
    call.empty()


def prune(call: Call) -> None:
    """POST /volumes/prune."""
    wanted = volume_filters.parse(call.filters(), volume_filters.FOR_PRUNE)
    recovery.sweep_all(call.root)
    named = call.version < _PRUNES_UNNAMED or volume_filters.says_all(wanted)
    found = prune_volumes(call.root, wanted, named=named)
    call.json({"VolumesDeleted": found.names or None, "SpaceReclaimed": found.size})
