"""What a container was asked to be, as `docker inspect` has it under HostConfig and Mounts."""

from __future__ import annotations

from typing import Any

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.spec import published_ports
from minidock.network import predefined

_DEVICE_RATES = (("ReadBps", "device_read_bps"), ("WriteBps", "device_write_bps"),
                 ("ReadIOps", "device_read_iops"), ("WriteIOps", "device_write_iops"))  # fmt: skip
# What docker has and we do not, at the value that it has where nobody asks for it.
_NOT_OURS: dict[str, Any] = {
    "VolumeDriver": "", "ConsoleSize": [0, 0], "Cgroup": "", "Isolation": "",
    "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0,
    "DeviceRequests": None, "KernelMemory": 0, "KernelMemoryTCP": 0,
    "MemorySwappiness": None, "OomKillDisable": False, "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
}  # fmt: skip


def host_config(record: Record) -> dict[str, Any]:
    """HostConfig: everything that was asked for and does not belong to the image."""
    from minidock.engine.container import container_options
    from minidock.engine.spec import security
    from minidock.linux import cgroups

    options = record.data["options"]
    bare = options["privileged"] or options["isolation"]["bare_system_paths"]
    masked, fixed = security.system_paths(container_options.isolation_from_json(options["isolation"]), bare=bare)
    return {
        **_NOT_OURS,
        "Binds": [mount["text"] for mount in options["mounts"] if mount["text"]] or None,
        **({"Mounts": rows} if (rows := [_mount(mount) for mount in options["mounts"] if not mount["text"]]) else {}),
        "ContainerIDFile": options["cidfile"] or "",
        "LogConfig": {"Type": options["log_driver"], "Config": options["log_options"]},
        "NetworkMode": options["network"],
        "PortBindings": published_ports.bindings(options),
        "PublishAllPorts": options["publish_all"],
        "RestartPolicy": {"Name": options["restart"], "MaximumRetryCount": options["restart_retries"]},
        "AutoRemove": options["remove"],
        "VolumesFrom": options["volumes_from"] or None,
        "CapAdd": _capabilities(options["cap_add"]),
        "CapDrop": _capabilities(options["cap_drop"]),
        **_isolation(options["isolation"]),
        "CgroupnsMode": options["isolation"]["cgroupns"] or ("private" if cgroups.hierarchy() else "host"),
        "Dns": options.get("dns") or [],
        "DnsOptions": options.get("dns_options") or [],
        "DnsSearch": options.get("dns_search") or [],
        "ExtraHosts": [f"{name}:{address}" for name, address in options["extra_hosts"]] or None,
        "Links": _links(record),
        "Privileged": options["privileged"],
        "ReadonlyRootfs": options["read_only"],
        **({"Tmpfs": {path: _asked(words) for path, words in options["tmpfs"].items()}} if options["tmpfs"] else {}),
        **({"Sysctls": options["sysctls"]} if options["sysctls"] else {}),
        **({"Init": True} if options["init"] else {}),
        "Runtime": options["isolation"].get("runtime") or "minidock",
        "CgroupParent": options["cgroup_parent"] or "",
        "Ulimits": [{"Name": n, "Soft": soft, "Hard": hard} for n, (soft, hard) in options["ulimits"].items()],
        "MaskedPaths": masked or None,
        "ReadonlyPaths": fixed or None,
        **_limits(options["limits"]),
    }  # fmt: skip


def _isolation(asked: dict[str, Any]) -> dict[str, Any]:
    security = ["no-new-privileges"] * bool(asked["no_new_privileges"])
    security += [f"seccomp={asked['seccomp']}"] * bool(asked["seccomp"])
    for name, paths in ("mask", asked.get("masked")), ("unmask", asked.get("unmasked")):
        security += [f"{name}={':'.join(paths)}"] if paths else []
    security += [f"apparmor={asked['apparmor']}"] if asked.get("apparmor") else []
    security += ["writable-cgroups=true"] * bool(asked.get("writable_cgroups"))
    return {
        "PidMode": asked["pid"],
        "IpcMode": asked["ipc"] or "private",
        "UTSMode": asked["uts"],
        "UsernsMode": asked["userns"],
        "ShmSize": asked["shm_size"] or 64 << 20,
        "GroupAdd": asked["groups"] or None,
        "Devices": [{"PathOnHost": device["source"], "PathInContainer": device["destination"],
                     "CgroupPermissions": device["access"]} for device in asked["devices"]],
        "DeviceCgroupRules": asked["device_rules"] or None,
        "SecurityOpt": security or None,
        "OomScoreAdj": asked["oom_score_adj"] or 0,
        **({"Annotations": asked["annotations"]} if asked["annotations"] else {}),
    }  # fmt: skip


def _links(record: Record) -> list[str] | None:
    """Those on the default network, as docker writes them: "/db:/web/alias"."""
    rows = record.data["attachments"].get(predefined.BRIDGE, {}).get("links", [])
    return [f"/{records.name_of(record.root, other)}:/{record.name}/{alias}" for other, alias in rows] or None


def _capabilities(names: list[str]) -> list[str] | None:
    """By the kernel's names, however they were typed."""
    upper = [name.upper() for name in names]
    return [name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in upper] or None


def _asked(words: list[str]) -> str:
    """The options of a tmpfs without those that every one has."""
    return ",".join(words[3:] if words[:3] == ["noexec", "nosuid", "nodev"] else words)


def _limits(limits: dict[str, Any]) -> dict[str, Any]:
    memory = limits["memory"] or 0
    return {
        "Memory": memory,
        "MemoryReservation": limits["memory_reservation"] or 0,
        "MemorySwap": limits["memory_swap"] or 2 * memory,
        "NanoCpus": round((limits["cpus"] or 0) * 1e9),
        "CpuPeriod": limits["cpu_period"] or 0,
        "CpuQuota": limits["cpu_quota"] or 0,
        "CpuShares": limits["cpu_shares"] or 0,
        "CpusetCpus": limits["cpuset_cpus"],
        "CpusetMems": limits["cpuset_mems"],
        "PidsLimit": limits["pids"],
        "BlkioWeight": limits["blkio_weight"] or 0,
        "BlkioWeightDevice": [{"Path": path, "Weight": weight} for path, weight in limits["blkio_weight_device"]],
        **{f"BlkioDevice{name}": [{"Path": path, "Rate": rate} for path, rate in limits[key]]
           for name, key in _DEVICE_RATES},
    }  # fmt: skip


def mount_point(point: dict[str, Any]) -> dict[str, Any]:
    """One of Mounts: what is really there."""
    volume = {"Driver": point["driver"]} if point["type"] == "volume" else {}
    return {"Type": point["type"], **({"Name": point["name"]} if volume else {}), "Source": point["source"],
            "Destination": point["destination"], **volume, "Mode": point["mode"], "RW": point["rw"],
            "Propagation": point["propagation"]}  # fmt: skip


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    """One --mount: docker leaves out what was not asked for."""
    bind = {"Propagation": mount["propagation"], "NonRecursive": mount["recursion"] == "disabled",
            "CreateMountpoint": mount["create"], "ReadOnlyNonRecursive": mount["recursion"] == "writable",
            "ReadOnlyForceRecursive": mount["recursion"] == "readonly"}  # fmt: skip
    driver = _present({"Name": mount["driver"], "Options": mount["driver_options"]})
    volume = {"Subpath": mount["subpath"], "NoCopy": not mount["copy"], "Labels": mount["labels"],
              "DriverConfig": driver}  # fmt: skip
    return _present({
        "Type": mount["kind"], "Source": mount["source"], "Target": mount["target"], "ReadOnly": mount["read_only"],
        "BindOptions": _present(bind), "VolumeOptions": _present(volume),
        "TmpfsOptions": _present({"SizeBytes": mount["size"], "Mode": mount["permissions"]}),
    })  # fmt: skip


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value}
