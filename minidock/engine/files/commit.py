"""`commit`: make an image of what a container has changed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from minidock.engine.container import container_options, records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.files.diff import differences_of
from minidock.engine.files.pause_while import paused
from minidock.errors import HostError, NotFoundError
from minidock.image import config_changes
from minidock.image.commit_layer import Note, commit
from minidock.image.layer_writer import TarReader, owners_inside
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.stored_image import Image
from minidock.linux import id_maps
from minidock.named_tuple import NamedTuple
from minidock.observe import step


class CommitOptions(NamedTuple):
    """What a user asks of `commit`; `name` is what the image will be called, if anything."""

    name: Reference | None
    author: str
    message: str
    changes: Iterable[str]
    pause: bool


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
    still = paused(record) if options.pause else nullcontext()
    with records.used(record), still, step("Pack the changes as a layer", book="3.5.4"):
        # What was only copied up is no change: without it, the same changes are the same layer.
        owners = owners_inside(id_maps.from_record(record.data.get("idMaps")))
        stream = TarReader(record.path("upper"), {path for _, path in differences_of(record)}, owners)
        image = commit(base, stream, config, note, options.name)
    event_log.emit_container(root, "commit", record.data, comment=options.message, imageID=image.id,
                          imageRef=str(options.name or ""))  # fmt: skip
    return image


def _config(record: Record) -> dict[str, Any]:
    """The new image's configuration: the container's, from its image and its user's flags."""
    chosen = container_options.from_json(record.data["options"])
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
