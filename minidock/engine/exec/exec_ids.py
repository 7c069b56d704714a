"""Which processes of `exec` there are in a container, each known by an id: docker's ExecIDs.

    <run>/execs/<container id>/<exec id>     locked (flock) by the process's exec monitor

Not in the container's own directory, which may be on a full disk. The lock of an exec monitor that was killed is free:
the next command that reads the directory removes the file, at the latest at the container's end.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from minidock.engine import state_paths
from minidock.engine.container import names


def begin(container_id: str, exec_id: str = "") -> tuple[str, int]:
    """An id, a new one if none is given, known as long as the returned descriptor is open and `end` was not called."""
    running(container_id)
    exec_id = exec_id or names.new_id()
    while True:
        directory = state_paths.exec_directory(container_id)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):  # the directory was empty, and removed just now
            fd = os.open(os.path.join(directory, exec_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:  # it was not taken for a killed exec monitor's before it was locked
                return exec_id, fd
            os.close(fd)


def end(container_id: str, exec_id: str, fd: int) -> None:
    """The process has ended."""
    directory = state_paths.exec_directory(container_id)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, exec_id))
    os.close(fd)
    with suppress(OSError):  # there are others
        os.rmdir(directory)


def running(container_id: str) -> list[str]:
    """The ids of the processes that have not ended. What killed exec monitors have left is removed."""
    found, directory = [], state_paths.exec_directory(container_id)
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            with suppress(FileNotFoundError):
                fd = os.open(os.path.join(directory, name), os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(os.path.join(directory, name))
                except BlockingIOError:
                    found.append(name)
                finally:
                    os.close(fd)
        if not found:
            with suppress(OSError):  # another has just begun
                os.rmdir(directory)
    return found
