"""What this host's kernel offers to containers, and what is missing and why that matters (`minidock info`)."""

from __future__ import annotations

import os

from minidock.linux import capabilities, cgroups, modules, namespaces
from minidock.named_tuple import NamedTuple

_NAMESPACES = {
    "mount": "a container would see and change the host's mounts",
    "pid": "a container would see and signal the host's processes",
    "network": "a container would share the host's network",
    "uts": "a container could not have a host name of its own",
    "ipc": "a container would share the host's shared memory and message queues",
    "cgroup": "a container would see the host's control group tree",
    "user": "root inside could not be made an ordinary user outside",
    "time": "a container could not have clocks of its own",
}
_CONTROLLERS = {
    "memory": "--memory, --memory-reservation and --memory-swap are refused",
    "cpu": "--cpus and --cpu-shares are refused",
    "cpuset": "--cpuset-cpus and --cpuset-mems are refused",
    "io": "--blkio-weight and --device-*-bps/iops are refused",
    "pids": "--pids-limit is refused",
}


class Fact(NamedTuple):
    """One thing a container may need. `why`: what does not work without it, or ''."""

    topic: str
    name: str
    there: bool
    why: str


def facts() -> list[Fact]:
    """All that is looked at, asked of the kernel now."""
    return [*_namespace_facts(), *_cgroup_facts(), *_other_facts()]


def _namespace_facts() -> list[Fact]:
    there = namespaces.supported()
    return [Fact("Namespaces", kind, kind in there, why) for kind, why in _NAMESPACES.items()]


def _cgroup_facts() -> list[Fact]:
    top = cgroups.hierarchy()
    has = cgroups.available(top) if top else set()
    version = Fact("Control groups", f"version 2 at {top}" if top else "version 2", bool(top), "no limits, no freezing")
    return [version, *(Fact("Control groups", name, name in has, why) for name, why in _CONTROLLERS.items())]


def _other_facts() -> list[Fact]:
    with open("/proc/filesystems", encoding="ascii") as file:
        overlay = "overlay" in file.read().split() or modules.is_available("overlay")
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        seccomp = any(line.startswith("Seccomp_filters") or line.startswith("Seccomp:") for line in file)
    has = set(capabilities.bounding())
    return [
        Fact("File systems", "overlay", overlay, "images cannot be layered: no container runs"),
        Fact("Security", "seccomp", seccomp, "system calls are not filtered"),
        Fact("Security", "all capabilities", has >= set(capabilities.NAMES),
             "cannot be given: " + ", ".join(name for name in capabilities.NAMES if name not in has)),
        Fact("Network", "bridge", modules.is_available("bridge"), "containers have only --network none or host"),
        Fact("Network", "veth", modules.is_available("veth"), "containers have only --network none or host"),
        Fact("Network", "macvlan", modules.is_available("macvlan"), "there are no networks of the driver macvlan"),
        Fact("Network", "nf_tables", modules.is_available("nf_tables"),
             "containers have no way out through the host's address"),
        Fact("Network", "nft command", _command("nft"), "no way out: install the package nftables"),
        Fact("Programs", "an init for --init", _any_init(), "--init is refused: install the package tini"),
    ]  # fmt: skip


def _command(name: str) -> bool:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in path.split(":") if directory)


def _any_init() -> bool:
    from minidock.engine.spec.bundle import INITS

    return any(os.access(path, os.X_OK) for path in INITS)
