"""Events, for `events`: one line of JSON each in <root>/events.log, appended by the process that did it.

There is no daemon that all processes report to, so they share this file. A line goes in with one write(2) under
the file's flock, so that lines of several processes never mix. At `_LIMIT` the file is renamed to events.log.1, in the
place of an older one: the log is bounded, and a reader who has the old file open reads it to its end first.

Types and actions are docker's (docs.docker.com/reference/cli/docker/system/events):

    container   create start die stop kill pause unpause restart rename destroy attach detach resize update oom
                exec_create: COMMAND  exec_start: COMMAND  exec_detach  exec_die  health_status: STATUS
                top export commit archive-path extract-to-dir
    image       pull push tag untag delete import load save prune
    network     create connect disconnect destroy remove prune
    volume      create mount unmount destroy prune
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock.state import SCHEMA, directory

if TYPE_CHECKING:
    from minidock.engine.container.record_fields import RecordFields

_LIMIT = 4 << 20  # bytes
_PATIENCE = 1.0  # seconds


def path(root: str) -> str:
    """The file that events are in; what was in it before the last rotation is in the one with ".1" behind."""
    return os.path.join(root, "events.log")


def emit(root: str, type: str, action: str, id: str, /, **attributes: str | int) -> None:
    """Append the event that `action` happened to the object `id` of `type` ("container", "image", "network", "volume").

    `attributes`: what docker tells with it, such as name, image, labels, exitCode, signal. Call it after the thing
    happened, outside of locks that others wait for. An event that cannot be written, on a full disk, is lost: the
    action itself must not fail.
    """
    words = {name: str(value) for name, value in attributes.items()}
    event = {"schemaVersion": SCHEMA, "type": type, "action": action, "id": id, "attributes": words}
    with suppress(OSError):
        fd = _open_locked(root)
        try:
            # The time is taken under the lock: the lines are in its order.
            line = json.dumps({**event, "timeNano": time.time_ns()}, separators=(",", ":"), ensure_ascii=False)
            data = line.encode("utf-8", "replace") + b"\n"
            size = os.fstat(fd).st_size
            if os.write(fd, data) < len(data):  # the disk is full: no half lines
                os.ftruncate(fd, size)
            elif size > _LIMIT:
                os.rename(path(root), f"{path(root)}.1")
        finally:
            os.close(fd)


def _open_locked(root: str) -> int:
    """The file, with its flock held: opened anew if it was renamed while we waited for the lock."""
    directory(root)
    while True:
        fd = os.open(path(root), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        _lock(fd)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), os.stat(path(root))):
                return fd
        os.close(fd)


def _lock(fd: int) -> None:
    """Take the flock, but do not wait for ever for a process that was stopped (Ctrl-Z) while it had it.

    Without it, a line still goes in whole: the kernel appends one write(2) at a time (O_APPEND).
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)
        else:
            return


def emit_container(root: str, action: str, record_data: RecordFields, /, **attributes: str | int) -> None:
    """`emit` for a container, given the content of its record, with what docker tells with each of those: its labels,
    its image, its name.
    """
    known = {**record_data["config"]["labels"], "image": record_data["imageName"], "name": record_data["name"]}
    emit(root, "container", action, record_data["id"], **{**known, **attributes})


def emit_image(root: str, action: str, id: str, labels: Mapping[str, str] | None = None, name: str = "") -> None:
    """`emit` for an image: `name` is the one that it is about, "" for the image itself."""
    emit(root, "image", action, id, **{**(labels or {}), "name": name or id})
