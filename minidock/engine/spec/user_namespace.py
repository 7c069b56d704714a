"""A container with users of its own: what that changes in its bundle and in its directory (user_namespaces(7)).

The kernel maps the ids of the image's layers (`runtime/mapped_layers.py`), and those of volumes: on the disk, a
volume's files have the ids that the container sees, so containers with different maps can share it. Binds are as they
are, the host's files, unless they have the option idmap. What the container writes to its own layer has, on the disk,
the ids of the host that its users are.

Where the kernel cannot map ids (before Linux 5.19, or on a file system such as NFS), a volume that is empty is given to
the container's root, and the layers are copied once, with the owners that they need:

    <root>/containers/<id>/mapped     one tree of all layers
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from minidock.engine.container.container_options import Device
from minidock.engine.container.records import Record
from minidock.engine.spec import devices
from minidock.errors import HostError
from minidock.linux import copying, id_maps, idmapped, overlay, rootless, syscalls
from minidock.linux.directory_trees import remove_tree
from minidock.linux.id_maps import IdMaps, exchanged
from minidock.observe import step

_ALL = 0xFFFFFFFF  # how many ids there are
_OVERLAYS_OF_MAPPED = [5, 19]
_WORD = "idmap"

Config = dict[str, Any]


def add(record: Record, config: Config) -> None:
    """Give the bundle `config` the container's user namespace, and its directory the owners that this needs."""
    maps = id_maps.from_record(record.data.get("idMaps"))
    if maps or rootless.is_on():
        _bind_devices(record, config)
    if maps:
        linux = config["linux"]
        linux["namespaces"].append({"type": "user"})
        linux |= maps.as_oci()
        if "net.ipv4.ping_group_range" not in record.data["options"]["sysctls"]:
            linux["sysctl"].pop("net.ipv4.ping_group_range", None)  # not all groups of the default are mapped
        _give_files(record, maps)
        _map_layers(record, config["mounts"][0], maps)
    # What a step of a build mounts is minidock's own, too: its context, its caches.
    ours = {point["destination"] for point in record.data["mounts"]
            if point["type"] == "volume" or record.data.get("keepFiles")}  # fmt: skip
    user = config["process"]["user"]
    for mount in config["mounts"]:
        if maps and mount["destination"] in ours and mount["type"] == "bind":
            if _can_map(mount["source"], maps):
                mount["options"] = [*mount["options"], _WORD]
            elif os.path.isdir(mount["source"]) and not os.listdir(mount["source"]):
                syscalls.chown(mount["source"], *maps.outside(0, 0), follow_symlinks=False)
        elif _WORD in mount["options"] and mount["destination"] != "/":
            mount.update(_as_the_owner(mount["source"], maps, (user["uid"], user["gid"])).as_oci())


def _bind_devices(record: Record, config: Config) -> None:
    """The devices of --device are the host's nodes, bound: their places are no longer made."""
    wanted = [Device(**row) for row in record.data["options"]["isolation"]["devices"]]
    binds = devices.as_binds(wanted)
    places = {mount["destination"] for mount in binds}
    config["mounts"] += binds
    linux = config["linux"]
    linux["devices"] = [node for node in linux.get("devices") or [] if node["path"] not in places]


def _give_files(record: Record, maps: IdMaps) -> None:
    """To root inside: the writable layer, and the files for names."""
    owner = maps.outside(0, 0)
    with step("Give the writable layer to the container's root", book="3.1"):
        for name in ("upper", "work", "hosts", "hostname", "resolv.conf"):
            with suppress(FileNotFoundError):  # on another container's network, it has that one's files
                if (status := os.lstat(record.path(name))) and (status.st_uid, status.st_gid) != owner:
                    syscalls.chown(record.path(name), *owner, follow_symlinks=False)


def _map_layers(record: Record, mount: Config, maps: IdMaps) -> None:
    copy = record.path("mapped")
    if not os.path.exists(copy):
        if all(_can_map(path, maps) for path in {os.path.dirname(path): path for path in _lower(record)}.values()):
            mount["options"] = [*mount["options"], _WORD]
            return
        _copy_layers(record, copy, maps)
    mount["options"] = [f"lowerdir={overlay.escaped(copy)}",
                        *(word for word in mount["options"] if not word.startswith("lowerdir="))]  # fmt: skip


def _lower(record: Record) -> list[str]:
    return [record.path("init"), *record.data["layers"][::-1]]


def _copy_layers(record: Record, copy: str, maps: IdMaps) -> None:
    unfinished = f"{copy}.part"
    remove_tree(unfinished)
    with step("Copy the layers with other owners", book="3.5.5"):
        syscalls.mkdir(unfinished, 0o700)
        copying.copy_tree(_lower(record), unfinished, maps)
        syscalls.rename(unfinished, copy)


def warnings(record: Record) -> list[str]:
    """What its user should know: that its layers were copied."""
    if not record.data.get("idMaps") or not os.path.exists(record.path("mapped")):
        return []
    return ["the kernel cannot map the ids of the image's files here: they were copied for this container"]


def _can_map(path: str, maps: IdMaps) -> bool:
    release = [int(part) for part in re.findall(r"\d+", os.uname().release)[:2]]
    if release < _OVERLAYS_OF_MAPPED:
        return False
    with step("Ask whether ids can be mapped", book="3.1"):
        return idmapped.can_map(path, maps.users, maps.groups)


def _as_the_owner(source: str, maps: IdMaps | None, user: tuple[int, int]) -> IdMaps:
    """-v a:b:idmap: what belongs to the owner of `source` belongs to the container's user inside, and the other way
    round (moby, issue 7198). All other ids are the container's, or without a user namespace the host's.
    """
    try:
        status = os.stat(source)
    except OSError as error:
        raise HostError(f"{source}: {os.strerror(error.errno or 0)}", exit_code=125) from error
    base = maps or IdMaps([(0, 0, _ALL)], [(0, 0, _ALL)])
    return IdMaps(exchanged(base.users, status.st_uid, user[0]), exchanged(base.groups, status.st_gid, user[1]))
