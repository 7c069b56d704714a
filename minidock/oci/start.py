"""`start`: let the program of a created container run."""

from __future__ import annotations

import os

from minidock.errors import ConflictError, MinidockError
from minidock.observe import step
from minidock.oci import log
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container
from minidock.runtime import gate


def start(words: Words) -> int:
    """`minidock-oci start`: returns when the program runs."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    begin(container)
    return 0


def begin(container: Container) -> None:
    """Start a created container. Raises `ConflictError` for any other, and what its process reports."""
    with container.locked():
        status = container.load().status
        if status == "running":
            raise ConflictError("cannot start an already running container")
        if status != "created":
            raise ConflictError(f"cannot start a container that is {status}")
        with step("Open the gate: the program may run", book="3.4"):
            pidfd = container.open_process()
            gate.open_(container.directory, pidfd)
            os.close(pidfd)
        if not container.data.get("hooked"):
            return
    from minidock.runtime import hooks

    spec = container.spec
    try:
        hooks.run(spec, "poststart", hooks.state(spec, container.id, "running", container.pid))
    except MinidockError as error:
        log.warn(str(error))
