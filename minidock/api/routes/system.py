"""The host and the service: _ping, version, info, events, system/df."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from minidock import __version__, state
from minidock.api import versions
from minidock.api.call import Call
from minidock.api.models import api_times
from minidock.engine.container import recovery

if TYPE_CHECKING:
    from minidock.build.cache_usage import Kept

_NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
# "1": builds are sent as a tar archive to /build. "2" would be BuildKit's own protocol, which is not spoken here.
_BUILDER = "1"


def ping(call: Call) -> None:
    """Whether somebody is there, and which versions are spoken."""
    call.version = versions.NEWEST  # the head of the answer tells it
    call.plain("OK", headers={**_NO_CACHE, "Builder-Version": _BUILDER, "Swarm": "inactive"})


def version(call: Call) -> None:
    """In docker's form; the engine's version is that of minidock."""
    from minidock.image.platform import host_architecture

    details = {"ApiVersion": str(versions.NEWEST), "Arch": host_architecture(), "BuildTime": "",
               "Experimental": "false", "GitCommit": "", "GoVersion": "", "KernelVersion": os.uname().release,
               "MinAPIVersion": str(versions.OLDEST), "Os": "linux"}  # fmt: skip
    call.json({
        "Platform": {"Name": "minidock"},
        "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
        "Version": __version__,
        "ApiVersion": str(versions.NEWEST),
        "MinAPIVersion": str(versions.OLDEST),
        "GitCommit": "",
        "GoVersion": "",
        "PythonVersion": platform.python_version(),
        "Os": "linux",
        "Arch": host_architecture(),
        "KernelVersion": os.uname().release,
        "BuildTime": "",
    })  # fmt: skip


def info(call: Call) -> None:
    """What there is here and on what it stands."""
    from minidock.engine.inspect import info

    recovery.sweep_all(call.root)
    found = info.info(call.root)
    call.json({**found, **_ABOUT_A_DAEMON, "ID": state.boot_id(), "SystemTime": api_times.now()})


# Docker's keys about its daemon that clients read without asking whether they are there.
_ABOUT_A_DAEMON: dict[str, Any] = {
    "NFd": 0, "NGoroutines": 0, "NEventsListener": 0, "InitBinary": "tini", "HttpProxy": "", "HttpsProxy": "",
    "NoProxy": "", "GenericResources": None, "CgroupDriver": "cgroupfs", "BridgeNfIptables": True,
    "BridgeNfIp6tables": True, "OomKillDisable": False, "ContainerdCommit": {"ID": "", "Expected": ""},
    "RuncCommit": {"ID": "", "Expected": ""}, "InitCommit": {"ID": "", "Expected": ""}, "CDISpecDirs": [],
}  # fmt: skip


def events(call: Call) -> None:
    """What happens, as it happens, and from `since` on what has happened."""
    from minidock.engine.events import event_reader

    wanted = event_reader.parse(call.filters())
    since, until = (api_times.moment(call.text(name), name) for name in ("since", "until"))
    state.directory(call.root)
    with call.stream() as stream:
        for event in event_reader.read(call.root, since, until):
            if event_reader.passes(event, wanted):
                stream.json(_event(event))


def _event(event: dict[str, Any]) -> dict[str, Any]:
    """The first three keys are for clients of long ago (moby: api/types/events)."""
    kind = event["type"]
    old = {"status": event["action"], "id": event["id"]} if kind in ("container", "image") else {}
    if kind == "container":
        old["from"] = event["attributes"].get("image", "")
    return {**old, "Type": kind, "Action": event["action"],
            "Actor": {"ID": event["id"], "Attributes": event["attributes"]}, "scope": "local",
            "time": event["timeNano"] // 1_000_000_000, "timeNano": event["timeNano"]}  # fmt: skip


def disk_usage(call: Call) -> None:
    """What takes how much of the disk."""
    from minidock.api.models import container_summary, image_json
    from minidock.build import cache_usage
    from minidock.engine.inspect.disk_usage import measure

    recovery.sweep_all(call.root)
    wanted = set(call.texts("type")) or {"container", "image", "volume", "build-cache"}
    usage = measure(call.root)
    answer: dict[str, Any] = {"LayersSize": usage.layers}
    answer["Images"] = [
        {**image_json.summary(one.image, one.names), "SharedSize": one.shared, "Containers": one.containers}
        for one in usage.images if "image" in wanted
    ]  # fmt: skip
    answer["Containers"] = [container_summary.summary(one.record, size=True)
                            for one in usage.containers if "container" in wanted]  # fmt: skip
    answer["Volumes"] = [{**one.volume.describe(), "UsageData": {"RefCount": one.links, "Size": one.size}}
                         for one in usage.volumes if "volume" in wanted]  # fmt: skip
    rows = cache_usage.kept(call.root) if "build-cache" in wanted else []
    answer["BuildCache"] = [_cache_record(row) for row in rows]
    answer["BuilderSize"] = sum(row.size for row in rows)
    call.json(answer)


def _cache_record(row: Kept) -> dict[str, Any]:
    return {
        "ID": row.name,
        "Type": "exec.cachemount" if row.is_mount else "regular",
        "Description": "",
        "InUse": row.in_use,
        "Shared": row.shared,
        "Size": row.size,
        "CreatedAt": api_times.NEVER,
        "LastUsedAt": api_times.rfc3339(int(row.used * 1e9)),
        "UsageCount": 0,
    }
