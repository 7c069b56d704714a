"""container.json: the shape of every record of a container, and damaged records.

A container whose record cannot be read may still run, and have addresses, volumes and an image. Commands for other
containers work, `ps -a` shows it, and only `rm -f` deletes it, by what the kernel shows (`damaged_record.py`).

A root can become read-only, or run out of inodes, while containers run. Changes of a record, such as a stop or an exit
code, are then kept in the run directory until they can be written into the record.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from minidock import state
from minidock.engine import state_paths
from minidock.shapes import Each
from minidock.state import DamagedError

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields

STATUSES = CREATED, RUNNING, PAUSED, RESTARTING, EXITED = "created", "running", "paused", "restarting", "exited"
_MOMENT = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
# Files in a container's directory before its record exists.
_AT_ONCE = ("lock", "spare", "container.json")
_TEXT = (str, type(None))
# What every record has from the first on (`create.py`).
_SHAPE = {
    "name": str, "created": str, "image": str, "imageName": str, "imageConfig": dict, "layers": [str],
    "mounts": [{"type": str, "name": str, "source": str, "destination": str, "anonymous": bool}], "command": [str],
    "options": {"remove": bool, "cidfile": _TEXT, "network": str, "isolation": {"ipc": str}, "limits": dict},
    "attachments": Each(dict), "ports": dict, "restartCount": int, "config": {"labels": dict, "stopSignal": str},
    "networks": Each({"network": str, "address": str, "host_interface": str, "names": list}),
    "state": {"status": str, "pid": int, "exitCode": int, "error": str, "startedAt": str, "finishedAt": str,
              "boot": str, "stopped": bool, "again": bool},
}  # fmt: skip
Identity = tuple[int, int, int] | None
# Before the id, in the name of a directory that is being removed: no container any more, but not yet nothing.
REMOVING = ".removing-"


def directory(root: str, container_id: str) -> str:
    """The directory of container `container_id`."""
    return os.path.join(root, "containers", container_id)


class DamagedRecordError(DamagedError):
    """A container exists, and its record cannot be read. `name`: its name, as far as it can be found.

    It may run. Only `rm.remove_container` with force removes such a container (`damaged_record.py`).
    """

    def __init__(self, root: str, container_id: str, path: str, why: str) -> None:
        self.id = container_id.removeprefix(REMOVING)
        super().__init__(path, why, f"{state.RESTORE}, or remove the container with rm -f {self.id[:12]}")
        self.name = state.legible_name(os.path.join(directory(root, container_id), "container.json"))


def keep_aside(container_id: str, data: RecordFields) -> None:
    """Write the record of a container that runs, or did until now, into the run directory, where `aside` finds it."""
    state.directory(state_paths.run_directory(), "aside")
    state.write_json(state_paths.aside_path(container_id), data, durable=False)


def aside(container_id: str, data: RecordFields) -> RecordFields | None:
    """What was kept in the run directory about the run in the record `data`, if anything."""
    if data["state"]["status"] not in (RUNNING, PAUSED, RESTARTING):
        return None
    try:
        newer = cast("RecordFields", state.read_json(state_paths.aside_path(container_id), _SHAPE))
    except (OSError, DamagedError):
        return None
    is_same = all(newer["state"][key] == data["state"][key] for key in ("startedAt", "boot"))
    return newer if is_same and data["state"]["boot"] == state.boot_id() else None


def forget_aside(container_id: str) -> None:
    """Delete what was kept aside: it is in the record, or the container is gone."""
    with suppress(FileNotFoundError):
        os.unlink(state_paths.aside_path(container_id))


def may_have(root: str, container_id: str, path: str) -> bool:
    """Whether a container whose record cannot be read may use a layer or volume at `path`, according to its bundle."""
    bundle = os.path.join(directory(root, container_id), "bundle", "config.json")
    with suppress(OSError), open(bundle, encoding="utf-8", errors="replace") as file:
        text = file.read()
        with suppress(ValueError):
            return isinstance(json.loads(text), dict) and json.dumps(path)[1:-1] in text
    return True


# What a sweep has read, and nobody has used since, by path: most commands sweep, and then look at the same records.
_unused: dict[str, tuple[Identity, RecordFields]] = {}


def identity(root: str, container_id: str) -> Identity:
    """What tells whether a record was written since: that makes another file. None if there is none."""
    try:
        found = os.stat(os.path.join(directory(root, container_id), "container.json"))
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def keep_unused(root: str, container_id: str, seen: Identity, data: RecordFields) -> None:
    """Let the next `read` return `data`, which the caller has read and not changed, if the record is still `seen`."""
    if seen is not None:
        _unused[os.path.join(directory(root, container_id), "container.json")] = seen, data


def read(root: str, container_id: str) -> RecordFields | None:
    """The content of a container's record; None if its creator had not yet written it, or it is being removed.

    After a power cut, a record that was not saved durably can be an empty file: it counts as not written, if the
    container had nothing yet. Raises `DamagedRecordError` for anything else that is no record of this schema.
    """
    place = directory(root, container_id)
    path = os.path.join(place, "container.json")
    if path in _unused:
        seen, unused = _unused.pop(path)
        if seen == identity(root, container_id):
            return unused
    try:
        data = cast("RecordFields", state.read_json(path, _SHAPE))
    except FileNotFoundError:
        if has_begun(place) and not container_id.startswith(REMOVING):
            raise DamagedRecordError(root, container_id, path, "it is missing") from None
        return None
    except DamagedError as error:
        if os.path.isfile(path) and os.path.getsize(path) == 0 and not has_begun(place):
            return None
        raise DamagedRecordError(root, container_id, path, error.why) from error
    if why := _nonsense(data):
        raise DamagedRecordError(root, container_id, path, why)
    return data


def _nonsense(data: RecordFields) -> str:
    """What cannot be meant in a record that has the right shape."""
    present = data["state"]
    if present["status"] not in STATUSES:
        return f"no status is called {present['status']!r}"
    moments = [data["created"], *filter(None, (present["startedAt"], present["finishedAt"]))]
    return next((f"{moment!r} is no time" for moment in moments if not _MOMENT.match(moment)), "")


def has_begun(place: str) -> bool:
    """Whether there is more in a container's directory than a record that was never written."""
    with suppress(FileNotFoundError):
        return any(name not in _AT_ONCE and not name.endswith(".tmp") for name in os.listdir(place))
    return False
