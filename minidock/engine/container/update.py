"""`update`: change a container's limits, in force at once if it runs, and its restart policy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from minidock.engine.container import container_cgroup, init_process, records
from minidock.engine.container.container_options import Limits
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.spec import bundle
from minidock.errors import ConflictError, HostError, MinidockError, NotFoundError
from minidock.linux import cgroup_limits, cgroups
from minidock.observe import step


def update_container(root: str, name: str, change: Callable[[Limits], Limits], restart: tuple[str, int] | None) -> None:
    """Give the container called `name` the limits that `change` makes of those it has, and the policy `restart`.

    The record and the kernel's limits change together or not at all. Raises `ConflictError` for what
    does not fit the container, `HostError` for what this host's cgroups cannot do.
    """
    record = records.find(root, name)
    try:
        with step("Change the limits in the record", book="3.2"), records.changing(record):
            options = record.data["options"]
            if restart and restart[0] != "no" and options["remove"]:
                why = "Restart policy cannot be updated because AutoRemove is enabled for the container"
                raise ConflictError(why)
            present = Limits(**options["limits"])
            wanted = change(present)
            if wanted != present and init_process.is_alive(record):
                _enforce(record, wanted)
            options["limits"] = wanted._asdict()
            if restart:
                options["restart"], options["restart_retries"] = restart
    except FileNotFoundError:
        raise NotFoundError(f"No such container: {name}") from None
    except MinidockError as error:
        raise type(error)(f"Cannot update container {record.id}: {error}", exit_code=1) from error
    event_log.emit_container(root, "update", record.data)


def _enforce(record: Record, wanted: Limits) -> None:
    """Write the limits to the container's cgroup; if one fails, write the previous ones again."""
    cgroup = container_cgroup.find(record)
    if cgroup is None:
        raise HostError(f"{cgroups.missing()}: nothing can be limited")
    resources = bundle.resources(wanted)
    before: dict[str, str] = {}
    for setting in cgroup_limits.settings(resources):
        with suppress(FileNotFoundError):
            before[setting.file] = cgroup.read(setting.file)
    with step("Write new limits to the cgroup", book="3.2"):
        try:
            cgroup_limits.apply(cgroup, resources)
        except BaseException:
            for file, text in before.items():
                cgroup.write(file, f"{text}\n")
            raise
