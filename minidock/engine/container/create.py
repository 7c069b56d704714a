"""`create`: make a container's directory and record, and lock it.

Everything else is made by the monitor (`monitor/monitor.py`), beginning with the OCI bundle (`spec/prepare.py`).
`cleanup.py` removes it all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minidock import state
from minidock.engine import state_paths
from minidock.engine.container import cleanup, container_lock, names, records, recovery
from minidock.engine.container.container_options import ContainerOptions
from minidock.engine.container.records import CREATED, Record
from minidock.engine.events import event_log
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError, UsageError
from minidock.image.platform import check_system
from minidock.linux import rootless
from minidock.network import predefined
from minidock.network.endpoint import DEFAULT_CONFIG, EndpointConfig
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields
    from minidock.image.stored_image import Image

# Networks that always exist, when no option of theirs is asked for: most containers are on one of them.
_USUAL: tuple[dict[str, EndpointConfig], ...] = ({predefined.DEFAULT: DEFAULT_CONFIG}, {})


def create_container(root: str, options: ContainerOptions, image: Image, *, keep_files: str = "") -> tuple[Record, int]:
    """Make a container's name, id and directory with its record, and the file that --cidfile asks for.

    Returns the record and the container's lock, held: while a process keeps that descriptor open, the container is not
    swept. The monitor that gets it does the rest (`spec/prepare.py`). If it raises, nothing is left.

    `keep_files`: a directory that gets the container's upper directory and its config.json when it is removed, for a
    step of a build. Such a container is not listed, and ends with the command that started it.
    """
    check_host()
    check_system(options.image, image.platform)
    if not options.program(_image_config(image)):
        raise UsageError("no command specified: the image has none either, so name one after the image")
    if options.attachments not in _USUAL or options.network.startswith("container:"):
        from minidock.engine.networks import network_mode  # most containers need none of it

        options = network_mode.resolved(root, options)
    defaults = _defaults()
    if defaults:
        from minidock.engine import settings

        options = settings.applied(options, defaults)
    if options.isolation.userns == "keep-id" and rootless.is_on() and not options.user:
        uid, gid = rootless.ids()
        options = options._replace(user=f"{uid}:{gid}")
    for mode in (options.isolation.pid, options.isolation.ipc):
        if mode.startswith("container:"):
            records.find(root, mode.removeprefix("container:"))
    with step("Create the container's directory and record", book="2.2.3"):
        record, lock = _make_record(root, options, image, keep_files, defaults)
    try:
        if record.data["mounts"]:
            from minidock.engine.spec import mount_points

            mount_points.provide(record)
        if options.cidfile:
            _write_cidfile(options.cidfile, record.id)
    except BaseException:
        _discard(record, lock)
        raise
    event_log.emit_container(root, "create", record.data)
    return record, lock


def keep_created(record: Record, lock: int) -> None:
    """Keep a created container for a later start: with its files, and nothing outside its directory."""
    from minidock.engine.spec import prepare

    try:
        with step("Write the record of a created container", book="4.7.3"):
            prepare.write_unstarted_bundle(record)
            with records.changing(record):
                record.data["state"] |= {"kept": True, "undone": True}
    except BaseException:
        _discard(record, lock)
        raise
    os.close(lock)


def _discard(record: Record, lock: int) -> None:
    """Remove a half-made container. What cannot be removed now, the next sweep finds: its lock is free."""
    with suppress(OSError, MinidockError):
        cleanup.discard(record)
    os.close(lock)


def check_host() -> None:
    """Raise `HostError` for a kernel that cannot run any container, before anything is made."""
    with open("/proc/filesystems", encoding="ascii") as file:
        there = "overlay" in file.read().split()
    if there:
        return
    from minidock.linux import modules

    if not modules.load("overlay"):
        raise HostError("this kernel has no overlay file system: load or build the module 'overlay'", exit_code=125)


def _defaults() -> dict[str, Any]:
    """The settings of this host for all containers; most hosts have none."""
    path = state_paths.settings_file()
    if not os.path.exists(path):
        return {}
    from minidock.engine import settings

    return settings.read(path)


def _make_record(
    root: str, options: ContainerOptions, image: Image, keep_files: str, defaults: dict[str, Any]
) -> tuple[Record, int]:
    """Under the lock of all containers, make a free name, an id, a directory, and a record in it."""
    with records.all_locked(root):
        recovery.sweep(root)
        taken = records.taken(root)
        name = names.check_name(options.name) if options.name is not None else names.random_name(set(taken))
        if name in taken:
            raise names.taken(name, taken[name])
        container_id = names.new_id()
        record = Record(root, container_id, _new_fields(root, container_id, name, options, image))
        if keep_files:
            record.data["keepFiles"] = keep_files
        mode = options.isolation.userns or defaults.get("userns", "")
        if mode not in ("", "host"):
            from minidock.engine.container import user_maps

            maps = user_maps.choose(mode, options, defaults, image.layer_paths, records.load_all(root))
            if maps:
                record.data["idMaps"] = maps._asdict()
        lock = container_lock.make_directory(root, container_id)
        try:
            record.save()
        except BaseException:
            _discard(record, lock)
            raise
    return record, lock


def _image_config(image: Image) -> dict[str, Any]:
    """The image's configuration for its containers."""
    config: dict[str, Any] = image.config.get("config", {})
    # [""] is docker's way of having none.
    return {**config, "Entrypoint": None} if config.get("Entrypoint") == [""] else config


def _new_fields(root: str, container_id: str, name: str, options: ContainerOptions, image: Image) -> RecordFields:
    """The record of a new container: its options, and a state in which nothing has happened yet."""
    image_config = _image_config(image)
    fields: RecordFields = {
        "id": container_id,
        "name": name,
        "created": state.now(),
        "image": image.id,
        "imageName": options.image,
        "imageConfig": image_config,
        "layers": image.layer_paths,
        "mounts": _mount_points(root, options, image_config),
        "command": options.program(image_config),
        "options": options.as_json(),
        "attachments": {name: asked._asdict() for name, asked in options.attachments.items()},
        "ports": {},  # while it runs, as docker's NetworkSettings.Ports: exposed ones, and where they are published
        "networks": {},  # what it has on each while it runs (network/endpoint.py, Endpoint)
        "restartCount": 0,
        "config": {"labels": {**(image_config.get("Labels") or {}), **options.labels},
                   "stopSignal": options.stop_signal or image_config.get("StopSignal") or "SIGTERM"},
        "state": records.new_state(CREATED),
    }  # fmt: skip
    if check := _healthcheck(options, image_config):
        fields["healthcheck"] = check
    return fields


def _mount_points(root: str, options: ContainerOptions, image_config: dict[str, Any]) -> list[dict[str, Any]]:
    if not (options.mounts or options.volumes or options.volumes_from or image_config.get("Volumes")):
        return []
    from minidock.engine.spec import mount_points  # here, as most containers have none

    return mount_points.resolve(root, options, image_config)


def _healthcheck(options: ContainerOptions, image_config: dict[str, Any]) -> dict[str, Any] | None:
    if not options.health and not image_config.get("Healthcheck"):
        return None
    from minidock.engine.monitor import health

    return health.merged(options.health, image_config)


def _write_cidfile(path: str, container_id: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise ConflictError(
            f"container ID file found, make sure the other container isn't running or delete {path}",
            exit_code=EXIT_ENGINE,
        ) from None
    except OSError as error:
        raise HostError(f"failed to create the container ID file {path}: {error.strerror}", exit_code=125) from error
    try:
        os.write(fd, container_id.encode())
    except OSError as error:
        os.unlink(path)
        raise HostError(f"failed to write the container ID file {path}: {error.strerror}", exit_code=125) from error
    finally:
        os.close(fd)
