"""Containers looked at, and removed."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.models import container_summary
from minidock.engine.container import records, recovery
from minidock.engine.container.records import Record


def ls(call: Call) -> None:
    """GET /containers/json."""
    from minidock.engine.inspect import container_list, container_status

    wanted = container_list.parse(call.filters())
    last = call.number("limit", -1)
    recovery.sweep_all(call.root)
    found = container_list.select(call.root, wanted, everything=call.flag("all"), last=last or -1)
    names = container_status.ImageNames(call.root)
    size = call.flag("size")
    call.json([container_summary.summary(record, size=size, image_name=names.name(record)) for record in found])


def inspect(call: Call) -> None:
    """GET /containers/NAME/json."""
    from minidock.engine.inspect import inspect_container

    recovery.sweep_all(call.root)
    call.json(inspect_container.container(find(call), size=call.flag("size")))


def find(call: Call) -> Record:
    """The container that the path names."""
    return records.find(call.root, call.name)


def top(call: Call) -> None:
    """GET /containers/NAME/top."""
    from minidock.engine.inspect.top import processes

    recovery.sweep_all(call.root)
    rows = processes(call.root, call.name, call.text("ps_args").split())
    call.json({"Titles": rows[0], "Processes": rows[1:]})


def changes(call: Call) -> None:
    """GET /containers/NAME/changes."""
    from minidock.engine.files import diff

    recovery.sweep_all(call.root)
    kinds = {"C": 0, "A": 1, "D": 2}
    found = diff.changed(call.root, call.name)
    call.json([{"Path": path, "Kind": kinds[kind]} for kind, path in found] or None)


def remove(call: Call) -> None:
    """DELETE /containers/NAME."""
    from minidock.engine.container.rm import remove_container

    recovery.sweep_all(call.root)
    if call.flag("link"):
        from minidock.engine.networks import legacy_links

        legacy_links.unlink(call.root, call.name)
    else:
        remove_container(call.root, call.name, force=call.flag("force"), volumes=call.flag("v"))
    call.empty()


def prune(call: Call) -> None:
    """POST /containers/prune."""
    from minidock.engine.container.prune import FOR_PRUNE, prune_containers
    from minidock.image import image_filters

    wanted = image_filters.parse(call.filters(), FOR_PRUNE)
    recovery.sweep_all(call.root)
    pruned = prune_containers(call.root, wanted)
    call.json({"ContainersDeleted": pruned.ids or None, "SpaceReclaimed": pruned.size})
