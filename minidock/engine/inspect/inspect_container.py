"""Containers and images in the form that `docker inspect` has made everybody's (Docker Engine API, 1.41).

Scripts are written for these keys, so all of docker's are here, with the value that docker has for what we do not do.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from minidock.engine.container import init_process
from minidock.engine.container.records import PAUSED, RESTARTING, Record
from minidock.engine.exec import exec_ids
from minidock.engine.inspect import host_config, network_settings
from minidock.engine.logs import log_config, log_drivers
from minidock.engine.spec import published_ports

if TYPE_CHECKING:
    from minidock.image.reference import Reference
    from minidock.image.stored_image import Image

_RECORDING = 2.0  # seconds that a monitor may need to record an end; its last output may have a slow reader
_POLL = 0.005
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time


# What docker shows of an image that says nothing of it.
_EMPTY_CONFIG: dict[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}  # fmt: skip


def container(record: Record, *, size: bool = False) -> dict[str, Any]:
    """Everything about a container; its OCI specification is the file named as OCIConfigPath.

    `size`: also how many bytes it has written, and how many it has together with its image. Raises `GoneError`.
    """
    _await_recorded_end(record)
    data, arguments = record.data, record.data["command"]
    log = log_config.driver_of(record)
    has_log = (
        log and log.NAME == log_drivers.JSON_FILE and record.data["state"]["startedAt"]
    )  # docker tells of no other
    return {
        "Id": record.id,
        "Created": data["created"],
        "Path": arguments[0] if arguments else "",
        "Args": arguments[1:],
        "State": _state(record),
        "Image": data["image"],
        "ResolvConfPath": record.path("resolv.conf"),
        "HostnamePath": record.path("hostname"),
        "HostsPath": record.path("hosts"),
        "LogPath": log_config.path(record, log) if log and has_log else "",
        "OCIConfigPath": record.path("bundle", "config.json"),
        "Name": f"/{record.name}",
        "RestartCount": data.get("restartCount", 0),
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": exec_ids.running(record.id) or None,
        "HostConfig": host_config.host_config(record),
        "GraphDriver": {"Data": _directories(record), "Name": "overlay2"},
        **(_sizes(record) if size else {}),
        "Mounts": [host_config.mount_point(point) for point in data.get("mounts", ())],
        "Config": _config(record),
        "NetworkSettings": network_settings.settings(record),
    }


def _await_recorded_end(record: Record) -> None:
    """Wait a moment for what the monitor writes of a run that is over.

    Whoever learns of the end from the event `die` looks at once, and would see a container that runs; Compose takes one
    that runs then for one that is started again. docker, too, answers no inspect before the end is recorded.
    """
    deadline = time.monotonic() + _RECORDING
    while record.is_up and not init_process.is_alive(record) and time.monotonic() < deadline:
        time.sleep(_POLL)
        record.reload()


def _state(record: Record) -> dict[str, Any]:
    state = record.data["state"]
    return {
        "Status": record.status,
        "Running": record.is_up or record.status == RESTARTING,
        "Paused": record.status == PAUSED,
        "Restarting": record.status == RESTARTING,
        "OOMKilled": state["oomKilled"],
        "Dead": False,
        "Pid": state["pid"] if record.is_up else 0,
        "ExitCode": state["exitCode"],
        "Error": state["error"],
        "StartedAt": state["startedAt"] or NEVER,
        "FinishedAt": state["finishedAt"] or NEVER,
        **({"Health": state["health"]} if state.get("health") else {}),
    }


def _directories(record: Record) -> dict[str, str]:
    return {
        "LowerDir": ":".join(reversed(record.data["layers"])),
        "MergedDir": record.path("bundle", "rootfs"),
        "UpperDir": record.path("upper"),
        "WorkDir": record.path("work"),
    }


def _sizes(record: Record) -> dict[str, int]:
    written, image_size = sizes(record)
    return {"SizeRw": written, "SizeRootFs": written + image_size}


def sizes(record: Record) -> tuple[int, int]:
    """The bytes in the files that a container has written, and those in its image's."""
    from minidock.image.layer_directories import layer_size
    from minidock.linux.directory_trees import tree_size

    image_size = sum(layer_size(record.root, f"sha256:{os.path.basename(path)}") for path in record.data["layers"])
    return tree_size(record.path("upper")), image_size


def _config(record: Record) -> dict[str, Any]:
    data, options, image_config = record.data, record.data["options"], record.data["imageConfig"]
    own_program = options["entrypoint"] is not None
    ports, stop_timeout = published_ports.named(data), options["stop_timeout"]
    volumes = (*options["volumes"], *(image_config.get("Volumes") or {}))
    return {
        "Hostname": data.get("hostname") or options["hostname"] or record.id[:12],
        "Domainname": options["isolation"]["domainname"],
        "User": options["user"] or image_config.get("User") or "",
        "AttachStdin": "stdin" in options["attach"],
        "AttachStdout": "stdout" in options["attach"],
        "AttachStderr": "stderr" in options["attach"],
        **({"ExposedPorts": ports} if ports else {}),
        "Tty": options["tty"],
        "OpenStdin": options["interactive"],
        "StdinOnce": options["stdin_once"],
        "Env": _environment(options["env"], image_config.get("Env") or []),
        "Cmd": options["command"] or (None if own_program else image_config.get("Cmd")),
        **({"Healthcheck": data["healthcheck"]} if data.get("healthcheck") else {}),
        "Image": data["imageName"],
        "Volumes": {path: {} for path in volumes} or None,
        "WorkingDir": options["workdir"] or image_config.get("WorkingDir") or "",
        "Entrypoint": (options["entrypoint"] or None) if own_program else image_config.get("Entrypoint"),
        "OnBuild": None,
        "Labels": data["config"]["labels"],
        "StopSignal": data["config"]["stopSignal"],
        **({"StopTimeout": stop_timeout} if stop_timeout is not None else {}),
    }


def _environment(own: list[str], images: list[str]) -> list[str]:
    """What was asked for, then what the image has beside that; docker's order."""
    names = {row.partition("=")[0] for row in own}
    return [*(row for row in own if "=" in row), *(row for row in images if row.partition("=")[0] not in names)]


def image(found: Image, references: list[Reference]) -> dict[str, Any]:
    """Everything about an image."""
    history = found.config.get("history") or [{}]
    variant = found.config.get("variant")
    return {
        "Id": found.id,
        "RepoTags": [str(reference) for reference in references if not reference.digest],
        "RepoDigests": [str(reference) for reference in references if reference.digest],
        "Parent": "",
        "Comment": history[-1].get("comment", ""),
        "Created": found.created,
        "DockerVersion": found.config.get("docker_version", ""),
        "Author": found.config.get("author", ""),
        "Config": {**_EMPTY_CONFIG, **(found.config.get("config") or {})},
        "Architecture": found.architecture,
        **({"Variant": variant} if variant else {}),
        "Os": found.os,
        "Size": found.size,
        "GraphDriver": {"Data": {"LowerDir": ":".join(reversed(found.layer_paths))}, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": found.layers},
        "Metadata": {"LastTagTime": NEVER},
        "Manifest": os.path.join(found.root, "images", "blobs", found.manifest_digest.replace(":", "/")),
    }
