"""`rename`: give a container another name, running or not."""

from __future__ import annotations

from minidock.engine.container import known_names, names, records
from minidock.engine.events import event_log
from minidock.errors import ConflictError, UsageError


def rename_container(root: str, name: str, new: str) -> None:
    """Give a container another name, running or not."""
    if not name or not new:
        raise UsageError("Neither old nor new names may be empty")
    with records.all_locked(root):
        record = records.find(root, name)
        old = record.name
        if new.removeprefix("/") == old:
            raise UsageError("Renaming a container with the same name as its current name")
        try:
            new = names.check_name(new)
            if other := records.taken(root).get(new):
                raise names.taken(new, other)
        except (UsageError, ConflictError) as error:
            raise type(error)(f"Error when allocating new name: {error}") from None
        with records.changing(record):
            record.data["name"] = new
        known_names.changed(root)
    from minidock.engine.networks import connect_container

    connect_container.rename(record)
    event_log.emit_container(root, "rename", record.data, oldName=f"/{old}")
