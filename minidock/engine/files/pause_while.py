"""Pause a container for as long as its files are read, however the reader ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minidock import observe
from minidock.engine.container import container_cgroup, init_process
from minidock.engine.container.records import Record
from minidock.errors import HostError
from minidock.linux import cgroups, syscalls
from minidock.observe import step

_PATIENCE = 10.0  # seconds without activity of the processes that are to be frozen


@contextmanager
def paused(record: Record) -> Iterator[None]:
    """Freeze the container's processes while the block runs (cgroup.freeze). One that is paused already stays so.

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
