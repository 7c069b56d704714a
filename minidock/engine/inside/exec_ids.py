"""Which processes of `exec` there are in a container, each known by an id: docker's ExecIDs.

    containers/<id>/execs/<exec id>     locked (flock) by the process's keeper

A keeper that was killed has let go of its file, which then means nothing, and is removed by who sees it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from minidock.engine import names
from minidock.engine.records import Record


def begin(record: Record) -> tuple[str, int]:
    """A new id, known as long as the returned descriptor is open and `end` was not called.

    Raises `FileNotFoundError` if the container is gone.
    """
    exec_id = names.new_id()
    with suppress(FileExistsError):
        os.mkdir(record.path("execs"), 0o710)
    fd = os.open(record.path("execs", exec_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return exec_id, fd


def end(record: Record, exec_id: str, fd: int) -> None:
    """The process has ended."""
    with suppress(FileNotFoundError):  # the container is gone, too
        os.unlink(record.path("execs", exec_id))
    os.close(fd)


def running(record: Record) -> list[str]:
    """The ids of the processes that have not ended."""
    found = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(record.path("execs"))):
            with suppress(FileNotFoundError):
                fd = os.open(record.path("execs", name), os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(record.path("execs", name))
                except BlockingIOError:
                    found.append(name)
                finally:
                    os.close(fd)
    return found
