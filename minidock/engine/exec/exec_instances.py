"""Processes of `exec` that are created by one request, started by another and asked about by a third: docker's API.

On the command line, one command does all of that and stores nothing. Here a file has the options, and the result:

    <run>/exec-instances/<exec id>.json     removed some time after the process's end, or when its container is gone
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import Any

from minidock import state
from minidock.engine import state_paths
from minidock.engine.container import names, records
from minidock.engine.container.records import Record
from minidock.engine.exec import exec_ids
from minidock.engine.exec.exec_options import ExecOptions
from minidock.errors import EXIT_SIGNAL, NotFoundError

_KEPT = 300.0  # seconds after its end that a process is still known; docker's
_SHAPE = {"container": str, "options": dict, "streams": list, "keys": str, "isStarted": bool,
          "pid": int, "exitCode": (int, type(None))}  # fmt: skip
_CURE = "create the exec again"
_ID = re.compile("[0-9a-f]{64}")
_KILLED = EXIT_SIGNAL + 9

Instance = dict[str, Any]


def create(record: Record, asked: ExecOptions, streams: list[str], keys: str) -> str:
    """Store what is to be run, and return its id. `streams`: those of stdin, stdout, stderr that are wanted."""
    _sweep(record.root)
    exec_id = names.new_id()
    os.makedirs(state_paths.exec_instances(), mode=0o700, exist_ok=True)
    _write(exec_id, {"root": record.root, "container": record.id, "options": asked._asdict(), "streams": streams,
                     "keys": keys, "isStarted": False, "pid": 0, "exitCode": None})  # fmt: skip
    return exec_id


def find(exec_id: str) -> Instance:
    """The file's content. Raises `NotFoundError`."""
    try:
        if not _ID.fullmatch(exec_id):
            raise FileNotFoundError
        return state.read_json(_path(exec_id), _SHAPE, _CURE)
    except FileNotFoundError:
        raise NotFoundError(f"No such exec instance: {exec_id}") from None


def note(exec_id: str, **changes: Any) -> None:
    """Store its result, if it was created by `create`."""
    with suppress(NotFoundError, OSError):
        _write(exec_id, {**find(exec_id), **changes})


def is_running(exec_id: str, instance: Instance) -> bool:
    """Whether it has begun and not ended."""
    return bool(instance["pid"]) and exec_id in exec_ids.running(instance["container"])


def exit_code(exec_id: str, instance: Instance) -> int | None:
    """How it has ended; None if it has not. One whose exec monitor was killed was killed with it."""
    if instance["exitCode"] is None and instance["pid"] and not is_running(exec_id, instance):
        code = find(exec_id)["exitCode"]  # it may have been written down just now
        return _KILLED if code is None else int(code)
    return instance["exitCode"]  # type: ignore[no-any-return]


def _path(exec_id: str) -> str:
    return os.path.join(state_paths.exec_instances(), f"{exec_id}.json")


def _write(exec_id: str, instance: Instance) -> None:
    state.write_json(_path(exec_id), instance, durable=False)


def _sweep(root: str) -> None:
    with suppress(FileNotFoundError):
        for name in os.listdir(state_paths.exec_instances()):
            exec_id = name.removesuffix(".json")
            with suppress(NotFoundError, OSError):
                instance = find(exec_id)
                age = time.time() - os.stat(_path(exec_id)).st_mtime
                is_old = age > _KEPT and not is_running(exec_id, instance)
                if is_old or not records.is_there(instance.get("root", root), instance["container"]):
                    os.unlink(_path(exec_id))
