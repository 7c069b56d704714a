"""The shape of a config.json: which fields there are for Linux, and what kind of value each has.

Checked before anything is done, so that an error names the field, and the rest of the runtime can rely on the types.
Fields that are not here are ignored, as the specification wants. Source: runtime-spec 1.2, the "config*.json" of its
schema and specs-go/config.go.

A shape is a type; a `range` that a number is in; a list of the one shape of all items; an object of the shapes that
keys have ("!" behind a key: it must be there); or an `Each`.
"""

from __future__ import annotations

from typing import Any

from minidock.errors import UsageError
from minidock.shapes import Each

_KINDS = {dict: "an object", list: "an array", str: "a string", int: "a number", bool: "true or false"}
_U16, _U32, _U64 = range(1 << 16), range(1 << 32), range(1 << 64)
_I32, _I64 = range(-(1 << 31), 1 << 31), range(-(1 << 63), 1 << 63)

_ID_MAP = [{"containerID!": _U32, "hostID!": _U32, "size!": _U32}]
_HOOK = [{"path!": str, "args": [str], "env": [str], "timeout": range(1, 1 << 31)}]
_THROTTLE = [{"major!": _I64, "minor!": _I64, "rate!": _U64}]

PROCESS: dict[str, Any] = {
    "terminal": bool,
    "consoleSize": {"height!": _U16, "width!": _U16},
    "cwd!": str,
    "env": [str],
    "args": [str],
    "rlimits": [{"type!": str, "soft!": _U64, "hard!": _U64}],
    "apparmorProfile": str,
    "capabilities": {name: [str] for name in ("effective", "bounding", "inheritable", "permitted", "ambient")},
    "noNewPrivileges": bool,
    "oomScoreAdj": range(-1000, 1001),
    "scheduler": {"policy!": str, "nice": _I32, "priority": _I32, "flags": [str], "runtime": _U64, "deadline": _U64,
                  "period": _U64},
    "selinuxLabel": str,
    "ioPriority": {"class!": str, "priority": range(8)},
    "execCPUAffinity": {"initial": str, "final": str},
    "user": {"uid": _U32, "gid": _U32, "umask": range(0o10000), "additionalGids": [_U32]},
}  # fmt: skip

RESOURCES: dict[str, Any] = {
    "unified": Each(str),
    "devices": [{"allow!": bool, "type": str, "major": _I64, "minor": _I64, "access": str}],
    "pids": {"limit": _I64},
    "memory": {"limit": _I64, "reservation": _I64, "swap": _I64, "kernel": _I64, "kernelTCP": _I64, "swappiness": _U64,
               "disableOOMKiller": bool, "useHierarchy": bool, "checkBeforeUpdate": bool},
    "cpu": {"shares": _U64, "quota": _I64, "burst": _U64, "period": _U64, "realtimeRuntime": _I64,
            "realtimePeriod": _U64, "cpus": str, "mems": str, "idle": _I64},
    "blockIO": {
        "weight": _U16, "leafWeight": _U16,
        "weightDevice": [{"major!": _I64, "minor!": _I64, "weight": _U16, "leafWeight": _U16}],
        "throttleReadBpsDevice": _THROTTLE, "throttleWriteBpsDevice": _THROTTLE,
        "throttleReadIOPSDevice": _THROTTLE, "throttleWriteIOPSDevice": _THROTTLE,
    },
    "hugepageLimits": [{"pageSize!": str, "limit!": _U64}],
    "network": {"classID": _U32, "priorities": [{"name!": str, "priority!": _U32}]},
    "rdma": Each({"hcaHandles": _U32, "hcaObjects": _U32}),
}  # fmt: skip

LINUX: dict[str, Any] = {
    "namespaces": [{"type!": str, "path": str}],
    "uidMappings": _ID_MAP, "gidMappings": _ID_MAP,
    "timeOffsets": Each({"secs": _I64, "nanosecs": range(1_000_000_000)}),
    "devices": [{"type!": str, "path!": str, "major": _I64, "minor": _I64, "fileMode": range(1 << 32), "uid": _U32,
                 "gid": _U32}],
    "netDevices": dict,
    "cgroupsPath": str,
    "resources": RESOURCES,
    "intelRdt": dict,
    "memoryPolicy": dict,
    "sysctl": Each(str),
    "seccomp": {
        "defaultAction!": str, "defaultErrnoRet": _U32, "architectures": [str], "flags": [str], "listenerPath": str,
        "listenerMetadata": str,
        "syscalls": [{"names!": [str], "action!": str, "errnoRet": _U32,
                      "args": [{"index!": _U32, "value!": _U64, "valueTwo": _U64, "op!": str}]}],
    },
    "rootfsPropagation": str,
    "maskedPaths": [str], "readonlyPaths": [str],
    "mountLabel": str,
    "personality": {"domain!": str, "flags": [str]},
}  # fmt: skip

CONFIG: dict[str, Any] = {
    "ociVersion!": str,
    "root": {"path!": str, "readonly": bool},
    "mounts": [{"destination!": str, "source": str, "type": str, "options": [str], "uidMappings": _ID_MAP,
                "gidMappings": _ID_MAP}],
    "process": PROCESS,
    "hostname": str,
    "domainname": str,
    "hooks": {kind: _HOOK for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                                       "poststop")},
    "annotations": Each(str),
    "linux": LINUX,
}  # fmt: skip


def check_resources(content: Any, place: str) -> None:
    """Raises `UsageError` if `content` has not the shape of `linux.resources`."""
    _check(content, RESOURCES, place)


def check_process(content: Any, place: str) -> None:
    """Raises `UsageError` if `content` has not the shape of `process`."""
    _check(content, PROCESS, place)


def check_config(content: Any, place: str) -> None:
    """Raises `UsageError` if `content`, read from `place`, has not the shape of a config.json."""
    _check(content, CONFIG, place)


def _check(content: Any, shape: Any, place: str) -> None:
    if why := _misfit(content, shape, ""):
        raise UsageError(f"{place}: {why}")


def as_go_reads(content: Any, shape: Any) -> Any:
    """`content` as engines mean it, which are written in Go: what is null is not there, and case matters in no key.

    A key in the case of the specification comes before the same in another one (pkg.go.dev/encoding/json, Unmarshal).
    """
    if isinstance(content, list):
        inner = shape[0] if isinstance(shape, list) else None
        return [as_go_reads(value, inner) for value in content]
    if not isinstance(content, dict):
        return content
    if not isinstance(shape, dict):
        inner = shape.values if isinstance(shape, Each) else None
        return {key: as_go_reads(value, inner) for key, value in content.items() if value is not None}
    shapes = {key.rstrip("!"): inner for key, inner in shape.items()}
    known = {name.lower(): name for name in shapes}
    read: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key if key in shapes else known.get(key.lower(), key))
        if value is not None and (name == key or content.get(name) is None):
            read[name] = as_go_reads(value, shapes.get(name))
    return read


def _misfit(content: Any, shape: Any, place: str) -> str:
    """Why `content`, found at `place`, has not this shape; "" if it has."""
    kind = _kind(shape)
    if not isinstance(content, kind) or (kind is int and isinstance(content, bool)):
        return f"{place or 'all of it'} is not {_KINDS[kind]}"
    rows: list[tuple[str, Any, Any]] = []
    if isinstance(shape, range):
        return "" if content in shape else f"{place} is {content}, and not between {shape.start} and {shape.stop - 1}"
    if isinstance(shape, Each):
        rows = [(key, value, shape.values) for key, value in content.items()]
    elif isinstance(shape, list):
        rows = [(str(number), value, shape[0]) for number, value in enumerate(content)]
    elif isinstance(shape, dict):
        for key, inner in shape.items():
            name = key.rstrip("!")
            if content.get(name) is not None:
                rows.append((name, content[name], inner))
            elif key.endswith("!"):
                return f"{_below(place, name)} is missing"
    return next((why for key, value, inner in rows if (why := _misfit(value, inner, _below(place, key)))), "")


def _kind(shape: Any) -> Any:
    if isinstance(shape, range):
        return int
    if isinstance(shape, (dict, Each)):
        return dict
    return list if isinstance(shape, list) else shape


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
