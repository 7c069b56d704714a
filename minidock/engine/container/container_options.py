"""The options of a new container: the one object that the command line passes to the engine.

The fields are docker's flags by their long names. The command line has parsed the texts (`minidock/engine/request`);
what depends on the image or the host is checked when the specification is built. No field has a default here: the
command line has them.
"""

from __future__ import annotations

from typing import Any

from minidock.errors import HostError
from minidock.named_tuple import NamedTuple
from minidock.network.endpoint import EndpointConfig
from minidock.network.port_bindings import PortRequest


class Limits(NamedTuple):
    """Sizes are bytes, rates are bytes or operations a second, `cpus` is a number of processors; None is no limit.

    `cpu_period` and `cpu_quota` are microseconds, in the place of `cpus`. `device_*` rows are (path, rate), those of
    `blkio_weight_device` (path, weight). For `memory_swap` and `pids`, -1 is "without limit".
    """

    memory: int | None
    memory_reservation: int | None
    memory_swap: int | None
    cpus: float | None
    cpu_period: int | None
    cpu_quota: int | None
    cpu_shares: int | None
    cpuset_cpus: str
    cpuset_mems: str
    pids: int | None
    blkio_weight: int | None
    blkio_weight_device: list[tuple[str, int]]
    device_read_bps: list[tuple[str, int]]
    device_write_bps: list[tuple[str, int]]
    device_read_iops: list[tuple[str, int]]
    device_write_iops: list[tuple[str, int]]


class Mount(NamedTuple):
    """One -v with a source, or one --mount: what is mounted on `target` inside.

    `kind` is bind (`source`: a path of the host), volume (`source`: its name, "" if it is to have none) or tmpfs.
    `subpath`: this directory or file of the volume is mounted, not all of it.
    `text` is the whole -v as docker's inspect shows it, "" for a --mount; `mode` what it has after its second colon.
    `recursion` says what a bind does with mounts below its source: enabled, disabled (leave them out), writable or
    readonly. `driver`, `labels` and `driver_options` are for a volume that is made new; `size` (bytes) and
    `permissions` (a mode) for a tmpfs, where 0 is the kernel's choice.
    """

    kind: str
    source: str
    subpath: str
    target: str
    text: str
    mode: str
    read_only: bool
    propagation: str
    recursion: str
    create: bool
    copy: bool
    driver: str
    labels: dict[str, str]
    driver_options: dict[str, str]
    size: int
    permissions: int


class Device(NamedTuple):
    """One --device: what is at `source` on the host, seen at `destination`; `access` is of r, w and m (mknod)."""

    source: str
    destination: str
    access: str


class Isolation(NamedTuple):
    """What isolates a container from the host. Namespaces are "" (its own), "host", or "container:NAME".

    `shm_size` is bytes, None docker's 64 MB. `seccomp` is "" or "builtin" (docker's profile), "unconfined", or a
    profile's JSON text. `bare_system_paths`: nothing in /proc and /sys is hidden or read-only; `masked`
    and `unmasked` add to what is, and take from it (patterns; ALL). `apparmor`: a profile's name, "" for the default.
    `cdi`: devices by name (`spec/cdi.py`). `userns` is "", or what
    `user_maps.py` lists; `no_new_privileges` None: as the host's owner has it (`engine/settings.py`).
    `runtime`: the path of another OCI runtime than ours.
    """

    pid: str
    ipc: str
    uts: str
    userns: str
    cgroupns: str
    shm_size: int | None
    domainname: str
    groups: list[str]
    devices: list[Device]
    device_rules: list[str]
    no_new_privileges: bool | None
    seccomp: str
    bare_system_paths: bool
    apparmor: str
    masked: list[str]
    unmasked: list[str]
    writable_cgroups: bool
    cdi: list[str]
    oom_score_adj: int | None
    annotations: dict[str, str]
    runtime: str = ""

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self._asdict(), "devices": [device._asdict() for device in self.devices]}


# What records of earlier versions lack.
_ADDED: dict[str, Any] = {"apparmor": "", "masked": [], "unmasked": [], "writable_cgroups": False, "cdi": []}


def isolation_from_json(content: dict[str, Any]) -> Isolation:
    """What `as_json` made, also by an earlier version."""
    return Isolation(**{**_ADDED, **content, "devices": [Device(**device) for device in content["devices"]]})


class ContainerOptions(NamedTuple):
    """All options of one container. None: the image's value or docker's default.

    `attach`: the streams that the command which starts the container has in common with it. `stdin_once`: its input
    ends with that of the first command that is attached to it. `stop_timeout`: seconds between the stop signal and
    SIGKILL, -1 for ever. `health` is docker's Healthcheck (`monitor/health.py`).
    """

    image: str
    command: list[str]
    entrypoint: list[str] | None
    name: str | None
    hostname: str | None
    env: list[str]
    workdir: str | None
    user: str | None
    interactive: bool
    tty: bool
    remove: bool
    init: bool
    mounts: list[Mount]
    volumes: list[str]
    volumes_from: list[str]
    tmpfs: dict[str, list[str]]
    read_only: bool
    network: str  # what kind: "bridge", "host", "none", "container:ID", or a network's name
    attachments: dict[str, EndpointConfig]  # the networks that it is on, by name
    dns: list[str]
    dns_search: list[str]
    dns_options: list[str]
    extra_hosts: list[tuple[str, str]]  # rows of (name, address or "host-gateway")
    publish: list[PortRequest]
    publish_all: bool  # the ports that the image or `expose` names, each by whatever port of the host is free
    expose: list[str]  # ports as in 80/tcp
    privileged: bool
    cap_add: list[str]
    cap_drop: list[str]
    ulimits: dict[str, tuple[int, int]]
    sysctls: dict[str, str]
    labels: dict[str, str]
    stop_signal: str | None
    isolation: Isolation
    pull: str
    cidfile: str | None
    cgroup_parent: str | None
    attach: list[str]
    stdin_once: bool
    log_driver: str
    log_options: dict[str, str]
    restart: str
    restart_retries: int
    stop_timeout: int | None
    health: dict[str, Any] | None
    limits: Limits

    def as_json(self) -> dict[str, Any]:
        """The options as JSON types, for container.json."""
        return {
            **self._asdict(),
            "mounts": [mount._asdict() for mount in self.mounts],
            "isolation": self.isolation.as_json(),
            "attachments": {name: attachment._asdict() for name, attachment in self.attachments.items()},
            "publish": [request._asdict() for request in self.publish],
            "limits": self.limits._asdict(),
        }

    def program(self, image_config: dict[str, Any]) -> list[str]:
        """The program and its arguments: entry point and command, the image's unless given; a new entry point replaces
        both.
        """
        if self.entrypoint is not None:
            return [*self.entrypoint, *self.command]
        return [*(image_config.get("Entrypoint") or []), *(self.command or image_config.get("Cmd") or [])]


def from_json(content: dict[str, Any]) -> ContainerOptions:
    """The options from the JSON that `as_json` made. Raises `HostError` for anything else, or another version."""
    try:
        return _typed(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostError(f"the container's options are none of this version ({error}): make it anew") from error


def _typed(content: dict[str, Any]) -> ContainerOptions:
    mounts, limits = [Mount(**mount) for mount in content["mounts"]], Limits(**content["limits"])
    attachments = {name: EndpointConfig.from_json(row) for name, row in content["attachments"].items()}
    publish = [PortRequest(**row) for row in content["publish"]]
    typed = {"mounts": mounts, "limits": limits, "attachments": attachments, "publish": publish,
             "isolation": isolation_from_json(content["isolation"])}  # fmt: skip
    return ContainerOptions(**{**content, **typed})
