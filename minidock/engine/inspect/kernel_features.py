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
_NETWORK_MODULES = {
    "bridge": "containers have only --network none or host",
    "veth": "containers have only --network none or host",
    "macvlan": "there are no networks of the driver macvlan",
    "nf_tables": "containers have no way out through the host's address",
}
_UNIFIED = "boot with systemd.unified_cgroup_hierarchy=1"
_KERNEL = "a kernel that is built with it, such as a distribution's own"


class Fact(NamedTuple):
    """One thing a container may need. `why`: what does not work without it; `remedy`: how this host gets it, or ''."""

    topic: str
    name: str
    there: bool
    why: str
    remedy: str


def facts() -> list[Fact]:
    """All that is looked at, asked of the kernel now."""
    return [*_namespace_facts(), *_cgroup_facts(), *_other_facts()]


def _namespace_facts() -> list[Fact]:
    there = namespaces.supported()
    return [Fact("Namespaces", kind, kind in there, why, _KERNEL) for kind, why in _NAMESPACES.items()]


def _cgroup_facts() -> list[Fact]:
    top = cgroups.hierarchy()
    has = cgroups.available(top) if top else set()
    name = f"version 2 at {top}" if top else "version 2"
    return [
        Fact("Control groups", name, bool(top), "no limits, no freezing", _UNIFIED),
        *(Fact("Control groups", name, name in has, why, _controller_remedy(name))
          for name, why in _CONTROLLERS.items()),
    ]  # fmt: skip


def _controller_remedy(name: str) -> str:
    """How to get a controller that version 2 does not have (cgroups(7), "/proc/cgroups")."""
    try:
        with open("/proc/cgroups", encoding="ascii") as file:
            rows = {row[0]: row for row in map(str.split, file) if len(row) == 4}
    except FileNotFoundError:
        return _KERNEL
    old_name = {"io": "blkio"}.get(name, name)
    _, hierarchy, _, is_enabled = rows.get(old_name, (old_name, "0", "0", "1"))
    if hierarchy != "0":
        return f"{_UNIFIED} (version 1 has it)"
    if is_enabled == "0":
        return f"boot with cgroup_enable={old_name} and without cgroup_disable={old_name}"
    return "whoever runs this host has not passed it on (cgroup.subtree_control)"


def _other_facts() -> list[Fact]:
    with open("/proc/filesystems", encoding="ascii") as file:
        overlay = "overlay" in file.read().split() or modules.is_available("overlay")
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        seccomp = any(line.startswith("Seccomp_filters") or line.startswith("Seccomp:") for line in file)
    has = set(capabilities.bounding())
    return [
        Fact("File systems", "overlay", overlay, "images cannot be layered: no container runs", _module("overlay")),
        Fact("Security", "seccomp", seccomp, "system calls are not filtered", _KERNEL),
        Fact("Security", "all capabilities", has >= set(capabilities.NAMES),
             "cannot be given: " + ", ".join(name for name in capabilities.NAMES if name not in has), ""),
        *(Fact("Network", name, modules.is_available(name), why, _module(name))
          for name, why in _NETWORK_MODULES.items()),
        Fact("Network", "nft command", _command("nft"), "no way out", "install the package nftables"),
        Fact("Programs", "an init for --init", _any_init(), "--init is refused", "install the package tini"),
    ]  # fmt: skip


def _module(name: str) -> str:
    return f"modprobe {name}, of Debian's linux-image-amd64 or Ubuntu's linux-modules-extra-$(uname -r)"


def _command(name: str) -> bool:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in path.split(":") if directory)


def _any_init() -> bool:
    from minidock.engine.spec.bundle import INITS

    return any(os.access(path, os.X_OK) for path in INITS)
