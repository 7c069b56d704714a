"""A container's cgroup, by its record."""

from __future__ import annotations

import os

from minidock.engine.container.records import Record
from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import cgroups


def find(record: Record) -> cgroups.Cgroup | None:
    """The cgroup that the container's processes are in; None if it has none, as the host has no cgroup v2 hierarchy."""
    top, path = cgroups.hierarchy(), record.data.get("cgroup")
    return cgroups.Cgroup(os.path.join(top, path.lstrip("/"))) if top is not None and path else None


def freezer_of(record: Record) -> cgroups.Cgroup:
    """The cgroup by which the container is paused; raises `HostError` if there is none."""
    cgroup = find(record)
    if cgroup is None:
        raise HostError(f"{cgroups.missing()}: containers cannot be paused", exit_code=EXIT_ENGINE)
    return cgroup
