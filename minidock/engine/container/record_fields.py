"""The fields of container.json, for code that reads or changes `Record.data`.

mypy checks their names and types in the code, `record_file.py` those of a file that is read.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

# As JSON, in records: the fields of `ContainerOptions` (`container_options.py`), of `EndpointConfig` and of `Endpoint`
# (`network/endpoint.py`), of `MountPoint` (`spec/mount_points.py`).
OptionsJson = dict[str, Any]
EndpointConfigJson = dict[str, Any]
EndpointJson = dict[str, Any]
MountPointJson = dict[str, Any]


class StateFields(TypedDict):
    """What happens to the container; times are RFC 3339 in UTC, '' for what has not happened."""

    status: str  # `record_file.STATUSES`
    pid: int  # of its PID 1 on the host; 0 if it does not run
    pidStarted: NotRequired[int]  # clock ticks since boot: with the pid it names one process (proc(5), stat)
    monitor: NotRequired[int]  # the monitor's pid
    boot: str  # the boot in which those pids are valid (/proc/sys/kernel/random/boot_id)
    exitCode: int
    oomKilled: bool  # the kernel has killed one of its processes for want of memory
    error: str  # why it could not be started, or was lost
    startedAt: str
    finishedAt: str
    kept: bool  # it stays when its program cannot be started: not while `run` makes it
    undone: bool  # nothing is left of its last run outside its directory
    stopped: bool  # it was stopped by a command: its restart policy does not start it again
    again: bool  # a restart was asked for
    shutdown: bool  # it was stopped as the machine went down
    health: NotRequired[dict[str, Any]]  # docker's State.Health (`monitor/health.py`)


class ConfigFields(TypedDict):
    """What the user and the image have set together."""

    labels: dict[str, str]
    stopSignal: str


class RecordFields(TypedDict):
    """The whole of container.json."""

    id: str
    name: str
    created: str  # RFC 3339 in UTC
    image: str  # its id
    imageName: str  # as its user wrote it
    imageConfig: dict[str, Any]  # the image's OCI config (image-spec, config.md, "config")
    layers: list[str]  # paths of the unpacked layers, the lowest first
    mounts: list[MountPointJson]
    command: list[str]
    options: OptionsJson
    attachments: dict[str, EndpointConfigJson]  # what was asked of each network, by its name
    networks: dict[str, EndpointJson]  # what it has on each network while it runs
    ports: dict[str, list[dict[str, str]] | None]  # while it runs: docker's NetworkSettings.Ports
    restartCount: int
    config: ConfigFields
    state: StateFields
    healthcheck: NotRequired[dict[str, Any]]  # docker's Config.Healthcheck
    cgroup: NotRequired[str]  # its path below the hierarchy's top
    hostname: NotRequired[str]
    links: NotRequired[list[str]]  # variables of --link
    idMaps: NotRequired[dict[str, Any]]  # `linux/id_maps.py`, IdMaps: of a container with users of its own
    keepFiles: NotRequired[str]  # for a step of a build: the directory that gets what it has written
    keepVolumes: NotRequired[bool]  # its removal leaves the volumes without a name
