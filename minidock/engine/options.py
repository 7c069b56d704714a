"""What a user asks of a new container: the one object that the command line hands to the engine.

The fields are docker's flags by their long names. The command line has parsed the texts (`minidock/cli/values.py`);
whatever needs the image or the host to be judged is judged when the specification is built. Every start of a container
imports this, so methods that nobody calls are not generated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(eq=False, repr=False)
class Limits:
    """Sizes are bytes, rates are bytes or operations a second, `cpus` is a number of processors; None is no limit.

    `device_*` rows are (path, rate). For `memory_swap` and `pids`, -1 is "without limit".
    """

    memory: int | None = None
    memory_reservation: int | None = None
    memory_swap: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int | None = None
    blkio_weight: int | None = None
    device_read_bps: list[tuple[str, int]] = field(default_factory=list)
    device_write_bps: list[tuple[str, int]] = field(default_factory=list)
    device_read_iops: list[tuple[str, int]] = field(default_factory=list)
    device_write_iops: list[tuple[str, int]] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Bind:
    """One -v: a file or directory of the host, seen at `destination` inside. `options` are those of mount(8)."""

    source: str
    destination: str
    options: list[str] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class ContainerOptions:
    """Everything about one container that a user can choose. None means: as the image or docker's default has it."""

    image: str
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] | None = None
    name: str | None = None
    hostname: str | None = None
    env: list[str] = field(default_factory=list)
    workdir: str | None = None
    user: str | None = None
    interactive: bool = False
    tty: bool = False
    remove: bool = False
    init: bool = False
    binds: list[Bind] = field(default_factory=list)
    tmpfs: dict[str, list[str]] = field(default_factory=dict)
    read_only: bool = False
    network: str = "bridge"
    privileged: bool = False
    cap_add: list[str] = field(default_factory=list)
    cap_drop: list[str] = field(default_factory=list)
    ulimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str | None = None
    pull: str = "missing"
    cidfile: str | None = None
    cgroup_parent: str | None = None
    limits: Limits = field(default_factory=Limits)

    def as_json(self) -> dict[str, Any]:
        """The options as JSON types, for container.json."""
        return asdict(self)
