"""What a container is: one tree of plain values, read from the kernel. As JSON it has these names.

Sizes are bytes, times seconds; None: unknown on this kernel, or no limit.
"""

from __future__ import annotations

from minidock.explain.layers.image_layers import Layer
from minidock.explain.layers.layer_changes import Changes
from minidock.linux.interfaces import Interface
from minidock.named_tuple import NamedTuple


class Namespace(NamedTuple):
    """One of the container's namespaces, and minidock's own of that kind: equal inodes are the same namespace.

    `shared_with`: other containers of this root that are in it too.
    """

    kind: str
    inode: int
    host_inode: int
    is_own: bool
    shared_with: list[str]


class IdRange(NamedTuple):
    """A row of uid_map or gid_map: `length` ids from `inside` on are those from `outside` on (user_namespaces(7))."""

    inside: int
    outside: int
    length: int


class Process(NamedTuple):
    """A process: `pid` and `parent` are numbers on the host, `inside` is the pid in the container's PID namespace.

    `is_member`: it is in the container's cgroup. One that is not was moved into the namespaces from outside.
    """

    pid: int
    inside: int
    parent: int
    uid: int
    gid: int
    name: str
    command: list[str]
    state: str
    threads: int
    resident: int
    cpu: float
    age: float
    is_member: bool


class Memory(NamedTuple):
    """memory.*: `out_of_memory` counts the processes that were killed for want of it (memory.events, oom_kill)."""

    current: int
    peak: int | None
    limit: int | None
    protected: int | None
    swap: int | None
    swap_limit: int | None
    anonymous: int
    cache: int
    kernel: int
    out_of_memory: int


class Cpu(NamedTuple):
    """cpu.stat, cpu.max, cpu.weight, in seconds. `limit` is a number of processors; `throttled` the time that it
    stopped processes.

    Without the controller the kernel still counts use, but has no limit, weight or throttling.
    """

    used: float
    user: float
    system: float
    limit: float | None
    weight: int | None
    periods: int | None
    throttled_periods: int | None
    throttled: float | None
    processors: str | None


class Pids(NamedTuple):
    """pids.*: processes and threads. `refused`: how often a fork met the limit."""

    current: int
    peak: int | None
    limit: int | None
    refused: int


class DeviceUse(NamedTuple):
    """A line of io.stat: what was read from and written to one disk. `limits`: its line of io.max."""

    device: str
    name: str
    read: int
    written: int
    reads: int
    writes: int
    limits: dict[str, int]


class Pressure(NamedTuple):
    """Pressure stall information: percent of the last ten seconds in which some process waited for the resource."""

    memory: float | None
    cpu: float | None
    io: float | None


class Cgroup(NamedTuple):
    """The container's control group. `path` is seen from the root of the hierarchy, mounted at `mount`.

    `missing`: controllers that are not enabled for this cgroup, so that they limit nothing.
    """

    mount: str
    path: str
    controllers: list[str]
    missing: list[str]
    is_frozen: bool
    processes: int
    memory: Memory | None
    cpu: Cpu | None
    pids: Pids | None
    io: list[DeviceUse] | None
    pressure: Pressure


class Root(NamedTuple):
    """The root file system. `source`: where the layers were read from, "mountinfo" or "record".

    `top` is what the writable layer (upperdir) holds; None if there is none.
    """

    type: str
    is_read_only: bool
    source: str
    layers: list[Layer]
    upper: str
    work: str
    top: Changes | None


class Rule(NamedTuple):
    """A rule of the packet filter that applies to the container; packets and bytes are None without a counter."""

    table: str
    chain: str
    text: str
    packets: int | None
    bytes: int | None


class Published(NamedTuple):
    """A port of the host that leads into the container. `host_address` is "" for all of them."""

    protocol: str
    host_address: str
    host_port: str
    address: str
    port: str
    packets: int | None


class Cable(NamedTuple):
    """One way out: the end inside, the host's end, its bridge, the way on from there; None for what is not there.

    A macvlan link has no end on the host: `outside` is its parent then.

    `network`: the network's name, "" if minidock does not know it.
    """

    network: str
    inside: Interface
    outside: Interface | None
    bridge: Interface | None
    gateway: str
    masquerade: Rule | None

    @property
    def is_direct(self) -> bool:
        """Whether the container sends by the host's interface directly, without bridge and address translation."""
        return self.inside.kind == "macvlan"


class Listener(NamedTuple):
    """A listening socket inside: protocol, address, port."""

    protocol: str
    address: str
    port: int


class Network(NamedTuple):
    """The container's network. `mode`: own, host, none (only loopback) or shared (with another container's).

    `uplink`: the host's interface behind its default route. `filter`: why the packet filter could not be read, or "".
    """

    mode: str
    shared_with: list[str]
    loopback: Interface | None
    cables: list[Cable]
    uplink: Interface | None
    published: list[Published]
    listening: list[Listener]
    nameservers: list[str]
    filter: str


class Security(NamedTuple):
    """What the first process may do. Sets of capabilities by name; `lacking` and `extra` beside docker's defaults.

    `seccomp`: "disabled", "strict" or "filter"; `filters`: how many programs look at each system call.
    """

    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]
    lacking: list[str]
    extra: list[str]
    seccomp: str
    filters: int | None
    no_new_privileges: bool
    label: str


class Mount(NamedTuple):
    """A line of /proc/PID/mountinfo. `host_path`: what is shown there, as a path of the host, if it is on one.

    `role`: root, kernel, device, bind, memory, masked (hidden from the container) or protected (made read-only).
    """

    path: str
    type: str
    source: str
    host_path: str
    options: list[str]
    is_read_only: bool
    propagation: str
    role: str


class Limit(NamedTuple):
    """A line of /proc/PID/limits; None is unlimited."""

    name: str
    soft: int | None
    hard: int | None
    unit: str


class Running(NamedTuple):
    """What only a running container has. `root`, `cwd` and `executable` are those of its first process."""

    pid: int
    age: float
    hostname: str
    root: str
    cwd: str
    executable: str
    open_files: int
    host_processors: int
    namespaces: list[Namespace]
    uid_map: list[IdRange]
    gid_map: list[IdRange]
    processes: list[Process]
    cgroup: Cgroup | None
    network: Network
    security: Security
    mounts: list[Mount]
    limits: list[Limit]


class Xray(NamedTuple):
    """A container. `status` as in `minidock ps`; `running` is None for one without processes: then `root` remains."""

    id: str
    name: str
    image: str
    status: str
    exit_code: int | None
    taken: str
    took: float
    root: Root
    running: Running | None
