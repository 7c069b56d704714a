"""Containers and images in the form that `docker inspect` has made everybody's (Docker Engine API, 1.41)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from minidock import state
from minidock.engine import publishing
from minidock.engine.records import RUNNING, Record
from minidock.errors import NotFoundError

if TYPE_CHECKING:
    from minidock.image.reference import Reference
    from minidock.image.store import Image


def container(record: Record) -> dict[str, Any]:
    """Everything about a container; its OCI specification is the file named as OCIConfigPath."""
    data, options = record.data, record.data["options"]
    try:
        spec = state.read_json(record.path("bundle", "config.json"))
    except FileNotFoundError:
        raise NotFoundError(f"No such container: {record.id} is still being made, or being removed") from None
    arguments = data["command"]
    return {
        "Id": record.id,
        "Created": data["created"],
        "Path": arguments[0],
        "Args": arguments[1:],
        "State": _state(data["state"]),
        "Image": data["image"],
        "ResolvConfPath": record.path("resolv.conf"),
        "HostnamePath": record.path("hostname"),
        "HostsPath": record.path("hosts"),
        "OCIConfigPath": record.path("bundle", "config.json"),
        "Name": f"/{record.name}",
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": _host_config(record, spec),
        "GraphDriver": {"Name": "overlay2", "Data": _layers(spec)},
        "Mounts": [_mount_point(point) for point in data.get("mounts", ())],
        "Config": _config(data, options, spec),
        "NetworkSettings": _network(data),
    }


def _state(state_: dict[str, Any]) -> dict[str, Any]:
    running = state_["status"] == RUNNING
    return {
        "Status": state_["status"],
        "Running": running,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": state_["oomKilled"],
        "Dead": False,
        "Pid": state_["pid"],
        "ExitCode": state_["exitCode"],
        "Error": state_["error"],
        "StartedAt": state_["startedAt"] or "0001-01-01T00:00:00Z",
        "FinishedAt": state_["finishedAt"] or "0001-01-01T00:00:00Z",
    }


def _host_config(record: Record, spec: dict[str, Any]) -> dict[str, Any]:
    options, limits = record.data["options"], record.data["options"]["limits"]
    return {
        "Binds": [mount["text"] for mount in options["mounts"] if mount["text"]] or None,
        "Mounts": [_mount(mount) for mount in options["mounts"] if not mount["text"]] or None,
        "VolumesFrom": options["volumes_from"] or None,
        "ContainerIDFile": options["cidfile"] or "",
        "NetworkMode": options["network"],
        "AutoRemove": options["remove"],
        "CapAdd": options["cap_add"] or None,
        "CapDrop": options["cap_drop"] or None,
        "CgroupnsMode": "private" if {"type": "cgroup"} in spec["linux"]["namespaces"] else "host",
        "Privileged": options["privileged"],
        "ReadonlyRootfs": options["read_only"],
        "Tmpfs": {path: ",".join(words) for path, words in options["tmpfs"].items()} or None,
        "Sysctls": options["sysctls"] or None,
        "Init": options["init"],
        "Memory": limits["memory"] or 0,
        "MemoryReservation": limits["memory_reservation"] or 0,
        "MemorySwap": limits["memory_swap"] or 2 * (limits["memory"] or 0),
        "NanoCpus": round((limits["cpus"] or 0) * 1e9),
        "CpuShares": limits["cpu_shares"] or 0,
        "CpusetCpus": limits["cpuset_cpus"],
        "CpusetMems": limits["cpuset_mems"],
        "PidsLimit": limits["pids"],
        "PortBindings": publishing.bindings(options),
        "PublishAllPorts": options["publish_all"],
        "BlkioWeight": limits["blkio_weight"] or 0,
        **{
            f"BlkioDevice{name}": [{"Path": path, "Rate": rate} for path, rate in limits[key]] or None
            for name, key in (("ReadBps", "device_read_bps"), ("WriteBps", "device_write_bps"),
                              ("ReadIOps", "device_read_iops"), ("WriteIOps", "device_write_iops"))
        },
        "CgroupParent": options["cgroup_parent"] or "",
        "Ulimits": [{"Name": n, "Soft": soft, "Hard": hard} for n, (soft, hard) in options["ulimits"].items()] or None,
        "MaskedPaths": spec["linux"].get("maskedPaths"),
        "ReadonlyPaths": spec["linux"].get("readonlyPaths"),
    }  # fmt: skip


def _layers(spec: dict[str, Any]) -> dict[str, str]:
    options = dict(option.partition("=")[::2] for option in spec["mounts"][0]["options"])
    return {"LowerDir": options["lowerdir"], "UpperDir": options["upperdir"], "WorkDir": options["workdir"]}


def _mount_point(point: dict[str, Any]) -> dict[str, Any]:
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
    volume = {"NoCopy": not mount["copy"], "Labels": mount["labels"], "DriverConfig": driver}
    return _present({
        "Type": mount["kind"], "Source": mount["source"], "Target": mount["target"], "ReadOnly": mount["read_only"],
        "BindOptions": _present(bind), "VolumeOptions": _present(volume),
        "TmpfsOptions": _present({"SizeBytes": mount["size"], "Mode": mount["permissions"]}),
    })  # fmt: skip


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value}


def _config(data: dict[str, Any], options: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "Hostname": spec["hostname"],
        "User": options["user"] or "",
        **({"ExposedPorts": ports} if (ports := publishing.exposed(data)) else {}),
        "Tty": options["tty"],
        "OpenStdin": options["interactive"],
        "Env": spec["process"]["env"],
        "Cmd": options["command"] or (None if options["entrypoint"] is not None else data["imageConfig"].get("Cmd")),
        "Image": data["imageName"],
        "Volumes": {path: {} for path in (*options["volumes"], *(data["imageConfig"].get("Volumes") or {}))} or None,
        "WorkingDir": spec["process"]["cwd"],
        "Entrypoint": options["entrypoint"] or data["imageConfig"].get("Entrypoint"),
        "Labels": data["config"]["labels"],
        "StopSignal": data["config"]["stopSignal"],
    }


def _network(data: dict[str, Any]) -> dict[str, Any]:
    """The addresses while the container runs; docker shows none of one that has ended either."""
    there = data["networks"] if data["state"]["status"] == RUNNING else {}
    asked = data["attachments"] or ({data["options"]["network"]: {}} if data["options"]["network"] != "bridge" else {})
    networks = {name: _endpoint(there.get(name)) for name in asked}
    first = networks.get("bridge") or _endpoint(None)
    return {
        "Bridge": there["bridge"]["bridge"] if "bridge" in there else "",
        "Ports": data["ports"] if data["state"]["status"] == RUNNING else {},
        **{key: first[key] for key in ("Gateway", "IPAddress", "IPPrefixLen", "MacAddress")},
        "Networks": networks,
    }


def _endpoint(has: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "NetworkID": has["network"] if has else "",
        "Gateway": has["gateway"] if has else "",
        "IPAddress": has["address"] if has else "",
        "IPPrefixLen": has["prefix"] if has else 0,
        "MacAddress": has["mac"] if has else "",
    }


def image(found: Image, references: list[Reference]) -> dict[str, Any]:
    """Everything about an image."""
    return {
        "Id": found.id,
        "RepoTags": [str(reference) for reference in references if not reference.digest],
        "RepoDigests": [],
        "Created": found.created,
        "Config": found.config.get("config") or {},
        "Architecture": found.architecture,
        "Os": found.os,
        "Size": found.size,
        "GraphDriver": {"Name": "overlay2", "Data": {"LowerDir": ":".join(reversed(found.layer_paths))}},
        "RootFS": {"Type": "layers", "Layers": found.layers},
        "Manifest": os.path.join(found.root, "images", "blobs", found.manifest_digest.replace(":", "/")),
    }
