"""`spec`: a config.json to begin with, the same as runc's."""

from __future__ import annotations

import json
import os
from typing import Any

from minidock.errors import ConflictError
from minidock.linux import cgroups_v1
from minidock.oci.runc_command_line import Words
from minidock.runtime import oci_spec as oci

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
           "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"]  # fmt: skip
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_PLAIN = ["nosuid", "noexec", "nodev"]


def spec(words: Words) -> int:
    """`minidock-oci spec`: writes config.json into the bundle, unless there is one."""
    path = os.path.join(words.flags.get("bundle") or ".", "config.json")
    config = example()
    if words.flags.get("rootless"):
        make_rootless(config)
    try:
        with open(path, "x", encoding="utf-8") as file:
            os.chmod(path, 0o666 & ~_umask())
            file.write(json.dumps(config, indent="\t"))
    except FileExistsError:
        raise ConflictError("File config.json exists. Remove it first") from None
    return 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def example() -> dict[str, Any]:
    """A shell with a terminal, in a root file system beside the file."""
    return {
        "ociVersion": oci.VERSION,
        "process": {
            "terminal": True, "user": {"uid": 0, "gid": 0}, "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {name: list(_CAPABILITIES) for name in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "minidock",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": [*_PLAIN, "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": list(_PLAIN)},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*_PLAIN, "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": [*_PLAIN, "relatime", "ro"]},
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in _namespaces()],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
        },
    }  # fmt: skip


def _namespaces() -> list[str]:
    """As runc, a namespace of cgroups where all controllers are in version 2."""
    return ["pid", "network", "ipc", "uts", "mount", *([] if cgroups_v1.hierarchies() else ["cgroup"])]


def make_rootless(config: dict[str, Any]) -> None:
    """For a user who is not root: in a user namespace of one user, without what needs more."""
    linux = config["linux"]
    linux["namespaces"] = [row for row in linux["namespaces"] if row["type"] != "network"] + [{"type": "user"}]
    linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
    linux["resources"] = {}
    mounts = []
    for mount in config["mounts"]:
        if mount["destination"] == "/sys":
            mount = {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", *_PLAIN, "ro"]}  # noqa: PLW2901
        mount["options"] = [option for option in mount.get("options", []) if not option.startswith(("gid=", "uid="))]
        mounts.append(mount)
    config["mounts"] = mounts
