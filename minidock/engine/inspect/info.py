"""What there is here and on what it stands, in the form of `docker info` and `docker version` (Docker Engine API)."""

from __future__ import annotations

import os
import platform
import re
import time
from typing import Any

from minidock import __version__
from minidock.engine.container import records
from minidock.engine.container.records import DEAD, PAUSED, RESTARTING, RUNNING
from minidock.engine.images import registry_config
from minidock.engine.inspect import kernel_features
from minidock.engine.inspect.container_stats import host_memory
from minidock.engine.logs import log_drivers
from minidock.image.platform import host_architecture
from minidock.image.registry import proxies
from minidock.image.registry.registry_settings import HUB, HUB_INDEX
from minidock.image.store import Store
from minidock.linux import cgroups, mountinfo, rootless, systemd
from minidock.network.network_drivers import NAMES

# What docker says of a daemon, a client and a swarm where there is none of them; scripts ask for these.
_NOT_OURS: dict[str, Any] = {
    "Debug": False, "Labels": [], "ExperimentalBuild": False, "Isolation": "",
    "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False, "Error": "",
              "RemoteManagers": None},
    "ClientInfo": {"Debug": False, "Context": "default", "Plugins": [], "Warnings": None},
}  # fmt: skip
_PLUGINS = {"Volume": ["local"], "Network": sorted((*NAMES, "host", "null")), "Authorization": None,
            "Log": list(log_drivers.NAMES)}  # fmt: skip
# Docker's words for a controller that the host does not have (moby: daemon/info_unix.go). That the host does not route
# is no reason for one: what makes the first network turns that on.
_WARNINGS = {"MemoryLimit": "No memory limit support", "SwapLimit": "No swap limit support",
             "CpuCfsPeriod": "No cpu cfs period support", "CpuCfsQuota": "No cpu cfs quota support",
             "CPUShares": "No cpu shares support", "CPUSet": "No cpuset support",
             "PidsLimit": "No pids limit support"}  # fmt: skip


def info(root: str) -> dict[str, Any]:
    """Docker's keys, where they mean something here, and the facts about the kernel under `Facts`."""
    found, ruins = records.survey(root)
    states = [record.status for record in found] + [DEAD for _ in ruins]
    running, paused = states.count(RUNNING) + states.count(RESTARTING), states.count(PAUSED)
    abilities = {**_cgroups(), "IPv4Forwarding": _is_on("/proc/sys/net/ipv4/ip_forward")}
    return {
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(Store(root).list()),
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", mountinfo.filesystem_of(root)]],
        "Plugins": _PLUGINS,
        "LoggingDriver": log_drivers.JSON_FILE,
        **abilities,
        "SystemTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "KernelVersion": os.uname().release,
        "OperatingSystem": _release("PRETTY_NAME"),
        "OSVersion": _release("VERSION_ID"),
        "OSType": "linux",
        "Architecture": os.uname().machine,
        **_registries(),
        "NCPU": os.cpu_count() or 1,
        "MemTotal": host_memory(),
        "DockerRootDir": root,
        "Name": os.uname().nodename,
        "ServerVersion": __version__,
        "PythonVersion": platform.python_version(),
        "Runtimes": {"minidock": {"path": "minidock"}},
        "DefaultRuntime": "minidock",
        "LiveRestoreEnabled": True,  # no container depends on a daemon
        **_NOT_OURS,
        "SecurityOptions": ["name=seccomp,profile=default", *(["name=rootless"] if rootless.is_on() else [])],
        "Warnings": [f"WARNING: {text}" for key, text in _WARNINGS.items() if not abilities[key]],
        "Facts": [fact._asdict() for fact in kernel_features.facts()],
    }


def version() -> dict[str, Any]:
    """Client and server are one program here; scripts ask for either."""
    one = {
        "Version": __version__,
        "PythonVersion": platform.python_version(),
        "Os": "linux",
        "Arch": host_architecture(),
        "KernelVersion": os.uname().release,
    }
    return {"Client": one, "Server": one}


def _cgroups() -> dict[str, Any]:
    top = cgroups.hierarchy()
    has = cgroups.available(top) if top else set()
    return {
        "CgroupDriver": "systemd" if top and systemd.owns_the_tree() else "cgroupfs" if top else "none",
        "CgroupVersion": "2" if top else "1",
        "MemoryLimit": "memory" in has,
        "SwapLimit": "memory" in has,
        "CpuCfsPeriod": "cpu" in has,
        "CpuCfsQuota": "cpu" in has,
        "CPUShares": "cpu" in has,
        "CPUSet": "cpuset" in has,
        "PidsLimit": "pids" in has,
    }


def _registries() -> dict[str, Any]:
    """What registries are asked, and how: the configuration file's word, in docker's form."""
    settings = registry_config.registry_settings()
    mirrors = {HUB: settings.mirrors.get(HUB, ()), **settings.mirrors}
    networks = [entry for entry in settings.insecure if "/" in entry]
    names = [*mirrors, *(entry for entry in settings.insecure if entry not in networks and entry not in mirrors)]
    return {
        "IndexServerAddress": HUB_INDEX,
        "RegistryConfig": {
            "InsecureRegistryCIDRs": ["127.0.0.0/8", *networks],
            "IndexConfigs": {name: {"Name": name, "Mirrors": list(mirrors.get(name, ())), "Official": name == HUB,
                                    "Secure": name not in settings.insecure} for name in names},
            "Mirrors": list(mirrors[HUB]),
        },
        "HttpProxy": _masked(proxies.variable("http_proxy")),
        "HttpsProxy": _masked(proxies.variable("https_proxy")),
        "NoProxy": proxies.variable("no_proxy"),
    }  # fmt: skip


def _masked(url: str) -> str:
    """A proxy's address without its password, as what is told here ends up in bug reports."""
    return re.sub(r"//[^/@]*@", "//xxxxx:xxxxx@", url)


def _is_on(path: str) -> bool:
    with open(path, encoding="ascii") as file:
        return file.read().strip() == "1"


def _release(key: str) -> str:
    """A value of the system's own description (os-release(5))."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8") as lines:
                found = dict(line.rstrip("\n").partition("=")[::2] for line in lines)
        except FileNotFoundError:
            continue
        return found.get(key, "").strip("\"'")
    return ""
