"""Checks of a bundle's values, before anything is done.

The shape of all fields is right already (`spec_shapes.py`). Refused here: unknown words, fields that exclude each
other, and what is in the specification but not implemented (docs/oci.md has the whole table).
"""

from __future__ import annotations

import os
import re
import resource
from typing import Any

from minidock.errors import HostError, UsageError
from minidock.linux import capabilities, lsm, mount_options, seccomp
from minidock.runtime import attributes

Config = dict[str, Any]

# The fields that minidock does not implement. Empty values ask for nothing and are accepted.
_UNSUPPORTED = {
    "": ("solaris", "windows", "vm", "zos", "freebsd"),
    "linux": ("intelRdt", "mountLabel", "netDevices", "memoryPolicy"),
}
_PROPAGATION = {"", *mount_options.PROPAGATION_OPTIONS}
_IPC_SYSCTLS = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
                "kernel.shmmni", "kernel.shm_rmid_forced"}  # fmt: skip


def check(config: Config, namespaces: dict[str, str]) -> None:
    """Raises `UsageError` for what is contradictory or unknown, `HostError` for what is not supported."""
    process, linux = config["process"], config.get("linux") or {}
    for section, names in _UNSUPPORTED.items():
        for name in names:
            if (config.get(section) or {} if section else config).get(name):
                raise HostError(f"{section and section + '.'}{name} is not supported by minidock")
    _check_process(process)
    for hook in (hook for kind in (config.get("hooks") or {}).values() for hook in kind):
        if not hook["path"].startswith("/"):
            raise UsageError(f"a hook's path is {hook['path']!r} and not an absolute path")
        _check_environment(hook, "a hook's env")
    for mount in config.get("mounts") or []:
        _check_mount(mount, linux, namespaces)
    if linux.get("seccomp"):
        seccomp.check(linux["seccomp"])
    if linux.get("rootfsPropagation", "") not in _PROPAGATION:
        raise UsageError(f"linux.rootfsPropagation {linux['rootfsPropagation']!r} is no propagation type")
    if linux.get("cgroupsPath", "").count(":") == 2:
        raise HostError(
            f"linux.cgroupsPath {linux['cgroupsPath']!r} is meant for systemd: minidock-oci --systemd-cgroup"
        )
    _check_namespaces(config, linux, namespaces)
    _check_devices(linux)
    attributes.check(process, linux)


def _check_process(process: Config) -> None:
    for names in (process.get("capabilities") or {}).values():
        for name in names:
            if name not in capabilities.NUMBERS:
                raise UsageError(f"unknown capability {name!r}")
    _check_environment(process, "process.env")
    limits = [limit["type"] for limit in process.get("rlimits") or []]
    for limit in process.get("rlimits") or []:
        name = limit["type"]
        if not name.startswith("RLIMIT_") or not hasattr(resource, name):
            raise UsageError(f"unknown resource limit {name!r}")
        if limits.count(name) > 1:
            raise UsageError(f"process.rlimits has {name} twice")
        if limit["soft"] > limit["hard"]:
            raise UsageError(f"process.rlimits: the soft limit of {name} is above the hard one")
    lsm.check(process)


def _check_environment(process: Config, what: str) -> None:
    for entry in process.get("env") or []:
        if not entry.partition("=")[0] or "=" not in entry:
            raise UsageError(f"{what} holds {entry!r}, which is not NAME=value")
        if "\0" in entry:
            raise UsageError(f"{what} holds {entry!r}: no variable can have a NUL")


def _check_mount(mount: Config, linux: Config, namespaces: dict[str, str]) -> None:
    """Option words that a bind has no use for, and mappings of ids."""
    options, place = mount.get("options") or [], mount["destination"]
    is_bind = mount.get("type") == "bind" or bool({"bind", "rbind"} & set(options))
    words = mount_options.own_words(options)
    if is_bind and (unknown := [word for word in mount_options.for_file_system(options) if word]):
        raise UsageError(f"the mount on {place}: {unknown[0]!r} is no option of a bind mount")
    if "tmpcopyup" in words and mount.get("type") != "tmpfs":
        raise UsageError(f"the mount on {place}: tmpcopyup is for a tmpfs")
    mapped = bool(mount.get("uidMappings") or mount.get("gidMappings"))
    if bool(mount.get("uidMappings")) != bool(mount.get("gidMappings")):
        raise UsageError(f"the mount on {place}: uidMappings and gidMappings are given together, or neither")
    if mapped or {"idmap", "ridmap"} & set(words):
        if not is_bind and not (place == "/" and mount.get("type") == "overlay"):
            raise UsageError(f"the mount on {place}: idmap is for a bind mount")
        if not mapped and not (namespaces.get("user") == "" and linux.get("uidMappings") and linux.get("gidMappings")):
            raise UsageError(f"the mount on {place}: idmap needs mappings, its own or those of a new user namespace")


def _check_namespaces(config: Config, linux: Config, namespaces: dict[str, str]) -> None:
    """Refuse settings of a namespace that the container shares with the host."""
    for field in ("hostname", "domainname"):
        if config.get(field) and "uts" not in namespaces:
            raise UsageError(f"unable to set {field} without a private UTS namespace: the host's would change")
    for kind in ("uidMappings", "gidMappings"):
        if linux.get(kind) and "user" not in namespaces:
            raise UsageError(f"linux.{kind} without a user namespace among linux.namespaces")
        if namespaces.get("user") == "" and not linux.get(kind):
            raise UsageError(f"a new user namespace needs linux.{kind}: without any, nobody inside is anybody")
    if namespaces.get("user") and (new := [kind for kind, path in namespaces.items() if not path]):
        raise HostError(f"linux.namespaces: to join a user namespace and make others in it ({', '.join(new)}) is not "
                        "supported by minidock: make a user namespace too, or join all")  # fmt: skip
    for clock in linux.get("timeOffsets") or {}:
        if clock not in ("monotonic", "boottime"):
            raise UsageError(f"linux.timeOffsets: {clock!r} is neither monotonic nor boottime")
        if namespaces.get("time") != "":
            raise UsageError("linux.timeOffsets needs a new time namespace among linux.namespaces")
    for name in linux.get("sysctl") or {}:
        _check_sysctl(name.replace("/", "."), namespaces)


def _check_sysctl(name: str, namespaces: dict[str, str]) -> None:
    if name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        kind = "ipc"
    elif name.startswith("net."):
        kind = "network"
    elif name in ("kernel.domainname", "kernel.hostname"):
        kind = "uts"
    elif name.startswith("user."):
        kind = "user"
    else:
        raise UsageError(f"sysctl {name!r} is not in a separate kernel namespace: it would change the whole machine")
    if kind not in namespaces:
        raise UsageError(f"sysctl {name!r} is not allowed in the host's {kind} namespace")


def _check_devices(linux: Config) -> None:
    for device in linux.get("devices") or []:
        if device["type"] not in ("c", "u", "b", "p"):
            raise UsageError(f"linux.devices: {device['path']} is of the type {device['type']!r}, not c, u, b or p")
        if not device["path"].startswith("/"):
            raise UsageError(f"linux.devices: {device['path']!r} is not an absolute path")
    for rule in (linux.get("resources") or {}).get("devices") or []:
        if rule.get("type", "a") not in ("", "a", "c", "b") or not re.fullmatch("[rwma]*", rule.get("access", "")):
            raise UsageError(
                f"linux.resources.devices: {rule} is no rule: the type is a, b or c, the access of r, w, m"
            )


def normalized(config: Config, bundle: str) -> Config:
    """Relative paths as the specification means them: destinations are in "/", sources of binds in the bundle."""
    mounts = []
    for mount in config.get("mounts") or []:
        changed = {**mount, "destination": os.path.join("/", mount["destination"])}
        options = mount.get("options") or []
        if mount.get("uidMappings") and not {"idmap", "ridmap"} & set(options):  # as runc understands it
            changed["options"] = [*options, "idmap"]
        is_bind = mount.get("type") == "bind" or {"bind", "rbind"} & set(mount.get("options") or [])
        if is_bind and mount.get("source"):
            changed["source"] = os.path.join(bundle, mount["source"])
        mounts.append(changed)
    return {**config, "mounts": mounts} if mounts else config
