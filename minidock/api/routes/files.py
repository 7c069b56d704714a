"""A container's files: archive (which is cp), export, commit."""

from __future__ import annotations

import base64
import json
from typing import Any

from minidock.api.call import Call
from minidock.api.http_errors import Status
from minidock.api.models import api_times
from minidock.api.streams.body import BodyReader
from minidock.engine.container import recovery
from minidock.engine.files import cp
from minidock.engine.files.commit import CommitOptions, commit_container
from minidock.engine.files.cp import PathStat
from minidock.engine.files.export import export_container
from minidock.errors import ConflictError, UsageError
from minidock.image import reference

_TAR = "application/x-tar"
_STAT = "X-Docker-Container-Path-Stat"


def get_archive(call: Call) -> None:
    """GET /containers/NAME/archive."""
    path = _path(call)
    recovery.sweep_all(call.root)
    found, pieces = cp.stat_and_tar(call.root, call.name, path)
    call.begin(200, [("Content-Type", _TAR), (_STAT, _encoded(found)), ("Transfer-Encoding", "chunked")])
    with call.until_gone():
        for piece in pieces:
            call.connection.send_data(piece)
    call.end()


def stat_archive(call: Call) -> None:
    """HEAD /containers/NAME/archive."""
    path = _path(call)
    recovery.sweep_all(call.root)
    call.plain("", headers={_STAT: _encoded(cp.stat_path(call.root, call.name, path))})


def put_archive(call: Call) -> None:
    """PUT /containers/NAME/archive."""
    path = _path(call)
    recovery.sweep_all(call.root)
    try:
        cp.tar_into(call.root, call.name, BodyReader(call), path, archive=call.flag("copyUIDGID"))
    except ConflictError as error:
        if "read-only" in str(error):
            raise Status(403, str(error)) from error
        raise
    call.empty(200)


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise UsageError("bad parameter: 'path' cannot be empty")
    return path


def _encoded(found: PathStat) -> str:
    """The header's value: modes are Go's (io/fs, FileMode)."""
    text = json.dumps({"name": found.name, "size": found.size, "mode": found.go_mode,
                       "mtime": api_times.rfc3339(found.modified), "linkTarget": found.link_target})  # fmt: skip
    return base64.b64encode(text.encode()).decode()


def export(call: Call) -> None:
    """GET /containers/NAME/export."""
    recovery.sweep_all(call.root)
    pieces = export_container(call.root, call.name)
    with call.stream("application/octet-stream") as stream:
        for piece in pieces:
            stream.write(piece)


def commit(call: Call) -> None:
    """POST /commit."""
    config: dict[str, Any] = call.json_body() or {}
    if not isinstance(config, dict):
        raise UsageError("invalid JSON: the body is no object")
    recovery.sweep_all(call.root)
    repository, tag = call.text("repo"), call.text("tag")
    name = reference.parse(f"{repository}:{tag}" if tag else repository) if repository else None
    changes = [line for text in call.texts("changes") for line in text.split("\n") if line.strip()]
    options = CommitOptions(name, call.text("author"), call.text("comment"), changes, call.flag("pause", default=True))
    call.json({"Id": commit_container(call.root, call.text("container"), options).id}, 201)
