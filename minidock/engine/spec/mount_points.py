"""A container's volumes, binds and tmpfs: decided once, when it is created, and kept in its record.

An anonymous volume has its name from then on, and stays the same however often the container is started. Docker's
order: what --volumes-from brings, then -v, then --mount take a place, each from the one before; a volume without a
name (-v /inside, the image's VOLUME) takes only a place that is free. Source: moby, daemon/volumes.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from minidock.engine.container import names, records
from minidock.engine.container.container_options import ContainerOptions, Mount
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.spec import init_layer
from minidock.engine.volumes import populate, volume_mounts, volumes
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError, UsageError
from minidock.linux import mount_options, mountinfo
from minidock.named_tuple import NamedTuple

DEFAULT_PROPAGATION = "rprivate"


class MountPoint(NamedTuple):
    """One place in a container, as it is in container.json under "mounts".

    `source`: a path of the host, also for a volume, whose `name` is set. `options` are the words for the runtime.
    `anonymous`: the volume goes with the container. `copy`: a new volume gets what the image has at `destination`.
    `create`: the bind's source is made if it is missing. `labels` and `driver_options` are for a volume made new.
    """

    type: str
    name: str
    source: str
    destination: str
    driver: str
    mode: str
    rw: bool
    propagation: str
    options: list[str]
    anonymous: bool
    copy: bool
    create: bool
    labels: dict[str, str]
    driver_options: dict[str, str]


def resolve(root: str, options: ContainerOptions, image_config: dict[str, Any]) -> list[dict[str, Any]]:
    """The mount points of a new container, for its record. Nothing is made yet.

    The caller holds `records.all_locked`. Raises `UsageError` for a place that is asked for twice, `NotFoundError` for
    a container of --volumes-from.
    """
    points: dict[str, MountPoint] = {}
    for text in options.volumes_from:
        points |= {point.destination: point for point in _inherited(root, text)}
    taken: set[str] = set()
    for mount in sorted(options.mounts, key=lambda mount: not mount.text):
        if mount.target in taken or (mount.text and mount.target in options.tmpfs):
            raise UsageError(f"Duplicate mount point: {mount.target}", exit_code=EXIT_ENGINE)
        taken.add(mount.target)
        points[mount.target] = _asked(root, mount)
    for path in (*options.volumes, *(image_config.get("Volumes") or {})):
        place = "/" + os.path.normpath(f"/{path}").lstrip("/")
        if "\0" in place:
            raise UsageError(f"invalid volume path {path!r}: invalid argument", exit_code=EXIT_ENGINE)
        if place not in points and place not in options.tmpfs and place != "/":
            points[place] = _anonymous(root, place)
    return [point._asdict() for point in points.values()]


def _inherited(root: str, text: str) -> Iterator[MountPoint]:
    """The mount points of another container, for --volumes-from container[:mode]."""
    name, _, mode = text.partition(":")
    for point in records.find(root, name).data.get("mounts", ()):
        kept = MountPoint(**point)._replace(copy=False, mode="")
        if "ro" in mode.split(",") and kept.rw:
            kept = kept._replace(rw=False, options=[*kept.options, *_read_only(kept.type, "enabled")])
        yield kept


def _asked(root: str, mount: Mount) -> MountPoint:
    """The mount point for one -v or --mount."""
    name, source, mode, propagation = "", mount.source, mount.mode, ""
    words = ["bind" if mount.recursion == "disabled" else "rbind"]
    if mount.kind == "volume":
        name = mount.source or names.new_id()
        source, mode = volumes.Volume(root, name, {}).mountpoint, mode or "z"  # as docker shows it
    elif mount.kind == "bind":
        source = os.path.normpath(source)
        propagation = mount.propagation or DEFAULT_PROPAGATION
    else:
        words = ["noexec", "nosuid", "nodev"]
        words += [f"mode={mount.permissions:o}"] * bool(mount.permissions)
        words += [f"size={mount.size}"] * bool(mount.size)
    words += _read_only(mount.kind, mount.recursion) if mount.read_only else []
    words += [propagation or DEFAULT_PROPAGATION] * (mount.kind != "tmpfs")
    words += [f"{mount_options.SUBPATH}{mount.subpath}"] * bool(mount.subpath)
    words += ["idmap"] * ("idmap" in mount.mode.split(","))
    return MountPoint(
        type=mount.kind,
        name=name,
        source=source,
        destination=mount.target,
        driver=(mount.driver or volumes.DRIVER) if name else "",
        mode=mode,
        rw=not mount.read_only,
        propagation=propagation,
        options=words,
        anonymous=bool(name) and not mount.source,
        copy=bool(name) and mount.copy and not mount.subpath,
        create=mount.create,
        labels=mount.labels,
        driver_options=mount.driver_options,
    )


def _read_only(kind: str, recursion: str) -> list[str]:
    """Docker's rule: what is mounted below the source is read-only as well, where the kernel can do that."""
    if kind == "tmpfs" or recursion in ("disabled", "writable"):
        return ["ro"]
    release = [int(part) for part in re.findall(r"\d+", os.uname().release)[:2]]
    if release >= [5, 12]:  # mount_setattr(2)
        return ["ro", "rro"]
    if recursion == "readonly":
        raise HostError("recursively read-only mounts need Linux 5.12 or later", exit_code=EXIT_ENGINE)
    return ["ro"]


def _anonymous(root: str, place: str) -> MountPoint:
    name = names.new_id()
    return MountPoint("volume", name, volumes.Volume(root, name, {}).mountpoint, place, volumes.DRIVER, "", True, "",
                      ["rbind", DEFAULT_PROPAGATION], True, True, False, {}, {})  # fmt: skip


def provide(record: Record) -> None:
    """Make the volumes of a new container that are not there yet, and fill those that are empty from its image.

    The container is on record: killed at any instruction, what is made here is found by its name. Raises
    `ConflictError` where the image has a file in the place of a volume.
    """
    for point in map(lambda row: MountPoint(**row), record.data["mounts"]):
        if point.type != "volume":
            continue
        layers = record.data["layers"]
        if init_layer.is_above(point.destination):  # a volume that is read-only needs the places of mounts in it
            init_layer.make(record.path("init"), layers[::-1])
            layers = [*layers, record.path("init")]
        source = populate.find(layers, point.destination)
        if source and not source.is_directory and (point.copy or point.anonymous):
            why = f"cannot mount volume over existing file, file exists {point.destination}"
            raise ConflictError(why if point.anonymous else f"source {point.destination} is not directory",
                                exit_code=EXIT_ENGINE)  # fmt: skip
        labels = point.labels | ({volumes.ANONYMOUS: ""} if point.anonymous else {})
        volume = volumes.create(
            record.root, point.name, driver=point.driver, labels=labels, options=point.driver_options
        )
        if source and point.copy:
            populate.fill(volume, source, record.id)


def prepare(record: Record) -> None:
    """Before a container starts, create missing sources of -v, and mount volumes with --opt."""
    for point in map(lambda row: MountPoint(**row), record.data.get("mounts", ())):
        if point.type == "bind" and point.create and not os.path.exists(point.source):
            os.makedirs(point.source, mode=0o755, exist_ok=True)
        elif point.type == "volume":
            volume = volumes.find(record.root, point.name)
            populate.finish(volume)
            if volume.options:
                volume_mounts.mount(volume, record.id)
            event_log.emit(record.root, "volume", "mount", volume.name, container=record.id, driver=point.driver,
                        destination=point.destination, propagation=point.propagation,
                        **{"read/write": str(point.rw).lower()})  # fmt: skip


def release(record: Record) -> None:
    """Unmount the volumes of a container that has ended, or could not be created. Idempotent.

    All are tried; the first failure is raised at the end.
    """
    failure: Exception | None = None
    for point in map(lambda row: MountPoint(**row), record.data["mounts"]):
        volume = volumes.load(record.root, point.name) if point.type == "volume" else None
        if volume is None:
            continue
        try:
            populate.finish(volume)
            if volume.options:
                volume_mounts.unmount(volume, record.id)
            if record.is_up:
                event_log.emit(record.root, "volume", "unmount", volume.name, container=record.id, driver=point.driver)
        except (OSError, MinidockError) as error:
            failure = failure or error
    if failure:
        raise failure


def root_propagation(points: list[dict[str, Any]]) -> str:
    """What the container's root has to be for the mounts' own propagation to work (mount_namespaces(7)).

    Raises `HostError` with docker's words for a source whose mount does not propagate.
    """
    wanted = {point["propagation"].removeprefix("r") for point in points}
    for point in points:
        kind = point["propagation"].removeprefix("r")
        if kind in ("shared", "slave"):
            mounted_on, has = mountinfo.propagation_of(point["source"])
            if kind not in has and not (kind == "slave" and "shared" in has):
                what = "shared" if kind == "shared" else "shared or slave"
                raise HostError(
                    f"path {point['source']} is mounted on {mounted_on} but it is not a {what} mount",
                    exit_code=EXIT_ENGINE,
                )
    return "shared" if "shared" in wanted else "rslave" if "slave" in wanted else "private"
