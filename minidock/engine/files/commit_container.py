"""What a container has changed: listed, exported with all below it, or kept as an image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NamedTuple

from minidock import observe, state
from minidock.engine.container import container_cgroup, init_process, options, records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.files import rootfs_view
from minidock.errors import HostError, NotFoundError
from minidock.image import config_changes
from minidock.image.commit_layer import Note, commit
from minidock.image.layer_diff import differences
from minidock.image.layer_writer import TarReader
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.image.tar_out import pack
from minidock.linux import cgroups, overlay, syscalls
from minidock.observe import step

_BUNDLE = {"mounts": [{"destination": str}]}
_PATIENCE = 10.0  # seconds without a sign of life from what is to stand still


class CommitOptions(NamedTuple):
    """What a user asks of `commit`; `name` is what the image will be called, if anything."""

    name: Reference | None
    author: str
    message: str
    changes: Iterable[str]
    pause: bool


def changed(root: str, name: str) -> list[tuple[str, str]]:
    """(A, C or D; path) of what the container called `name` has changed."""
    record = records.find(root, name)
    with records.used(record):
        if not os.path.exists(record.path("bundle", "config.json")):
            record.reload()
            return []  # it is just being made
        return _differences(record)


def exported(root: str, name: str) -> Iterator[bytes]:
    """All files of the container called `name` as a tar stream, without what is mounted into it."""
    record = records.find(root, name)
    with rootfs_view.opened(record, bare=True) as fd:
        yield from pack(fd, b"", b"")
    event_log.emit_container(root, "export", record.data)


def commit_container(root: str, name: str, options: CommitOptions) -> Image:
    """Make an image of the container called `name`, which runs or does not.

    Raises `UsageError` for a change that cannot be read, before anything is done.
    """
    record = records.find(root, name)
    try:
        base = Store(root).resolve(record.data["image"])
    except NotFoundError:
        raise HostError(f"the image of container {name} is gone: it cannot be committed") from None
    config = _config(record)
    _change(config, options.changes)
    note = Note(options.author, " ".join(record.data["command"]), options.message)
    still = _paused(record) if options.pause else nullcontext()
    with records.used(record), still, step("Pack the changes as a layer", book="3.5.4"):
        # What was only copied up is no change: without it, the same changes are the same layer.
        stream = TarReader(record.path("upper"), {path for _, path in _differences(record)})
        image = commit(base, stream, config, note, options.name)
    event_log.emit_container(root, "commit", record.data, comment=options.message, imageID=image.id,
                          imageRef=str(options.name or ""))  # fmt: skip
    return image


def _differences(record: Record) -> list[tuple[str, str]]:
    lower = [*filter(os.path.isdir, [record.path("init")]), *record.data["layers"][::-1]]
    return differences(record.path("upper"), lower, _mount_points(record, lower))


def _mount_points(record: Record, lower: list[str]) -> list[str]:
    """Where the runtime mounts what every container has, if the layers below have nothing there: it is made on top."""
    asked = {point["destination"] for point in record.data["mounts"]} | set(record.data["options"]["tmpfs"])
    spec = state.read_json(record.path("bundle", "config.json"), _BUNDLE, "start the container, which writes it anew")
    places = {mount["destination"] for mount in spec["mounts"]} - asked - {"/"}
    return [path for path in places if overlay.entry(lower, path.strip("/").split("/")) is None]


def _config(record: Record) -> dict[str, Any]:
    """What containers of the image get: as this one got it, from its image and from its user's flags."""
    chosen = options.from_json(record.data["options"])
    config: dict[str, Any] = {**record.data["imageConfig"]}
    variables = {name: value for name, equals, value in (row.partition("=") for row in chosen.env) if equals}
    for name, _, value in (row.partition("=") for row in config.get("Env") or []):
        variables.setdefault(name, value)  # the user's come first, as in docker's images
    replaced = {
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": record.data["config"]["labels"],
        "User": chosen.user,
        "WorkingDir": chosen.workdir,
        "StopSignal": chosen.stop_signal,
        "Healthcheck": record.data.get("healthcheck"),
        "Cmd": chosen.command,
        "Volumes": {**(config.get("Volumes") or {}), **{path: {} for path in chosen.volumes}},
        "ExposedPorts": {**(config.get("ExposedPorts") or {}), **{port: {} for port in chosen.expose}},
    }
    if chosen.entrypoint is not None:
        config |= {"Entrypoint": chosen.entrypoint, "Cmd": chosen.command}
    config |= {key: value for key, value in replaced.items() if value}
    return {key: value for key, value in config.items() if value}


def _change(config: dict[str, Any], changes: Iterable[str]) -> None:
    """Apply --change. What it empties is as in the container again, as in docker: an entrypoint is not taken away."""
    before = {name: config.get(name) for name in ("Entrypoint", "Cmd")}
    config_changes.apply(changes, config)
    if not config.get("Entrypoint"):
        if not config.get("Cmd"):
            config["Cmd"] = before["Cmd"]
        config["Entrypoint"] = before["Entrypoint"]


@contextmanager
def _paused(record: Record) -> Iterator[None]:
    """Nothing inside moves while the block runs (cgroup.freeze). One that is paused already stays so.

    A helper process waits for the end of this one, however that comes, and lets the container go on.
    """
    cgroup = container_cgroup.find(record)
    if cgroup is None or not init_process.is_alive(record) or cgroup.read("cgroup.freeze") == "1":
        yield
        return
    reader, writer = os.pipe()
    with step("Fork a helper that unpauses the container", book="3.2"):
        helper = syscalls.fork()
    if helper == 0:
        try:
            observe.who = "helper"
            os.setsid()  # what ends the command from a terminal is not for this one
            os.close(writer)
            os.read(reader, 1)
            with step("Unpause the container", book="3.2"):
                cgroup.write("cgroup.freeze", "0")
        finally:
            os._exit(0)
    try:
        with step("Pause the container", book="3.2"):
            _freeze(cgroup)
        yield
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(helper, 0)
        if cgroup.exists() and cgroup.read("cgroup.freeze") == "1":  # it was killed
            cgroup.write("cgroup.freeze", "0")


def _freeze(cgroup: cgroups.Cgroup) -> None:
    with suppress(FileNotFoundError):  # it has just ended
        try:
            cgroup.freeze(_PATIENCE)
        except HostError as error:
            raise HostError("the container cannot be paused: use --pause=false") from error
