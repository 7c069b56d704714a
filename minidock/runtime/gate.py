"""Where a created process waits for its start if its creator does not stay: at a fifo in a directory (fifo(7)).

Opening a fifo to write blocks until another process opens it to read. That is the process of `start`, however much
later. Over the same fifo it receives errors until execve, which closes the writer's end.

    create    the process   opens GATE to write, and waits
    start     the caller    opens GATE to read; the process continues: {"type": "started"}, or an {"type": "error"}

A process that still waits holds a lock (flock(2)), inherited from its creator; execve and exit release it. No file has
to be written at that moment, so none can be wrong.
"""

from __future__ import annotations

import fcntl
import json
import os
import select

from minidock.errors import EXIT_ENGINE, ConflictError, SetupError
from minidock.linux import syscalls

TYPE_CHECKING = False  # who starts or looks needs no socket
if TYPE_CHECKING:
    from minidock.runtime.channel import Channel, Message

GATE = "exec.fifo"
_LOCK = "waiting"
_LOOK = 0.1  # seconds between two checks whether the process still waits, while it sends nothing


def make(directory: str, owner: tuple[int, int]) -> tuple[int, int]:
    """A gate in `directory` for a process whose root is `owner` (uid, gid): descriptors of the directory and the lock.

    Both are to be open when the process is cloned, which inherits them; the creator closes its own.
    """
    syscalls.mkfifo(os.path.join(directory, GATE), 0o600)
    if owner != (0, 0):
        syscalls.chown(os.path.join(directory, GATE), *owner)
    lock = syscalls.open(os.path.join(directory, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return os.open(directory, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), lock


def is_closed(directory: str) -> bool:
    """Whether the process of the gate in `directory` is on its way or waits there: its program does not run yet."""
    try:
        fd = os.open(os.path.join(directory, _LOCK), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait(channel: Channel, directory: int) -> None:
    """In the process: wait for the start. From now on its messages go to the process of `start`, not to its creator."""
    channel.close()
    while True:
        # The process that opened it may have been killed since: then wait for the next one.
        channel.fifo = syscalls.open(GATE, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            channel.send("started")
            return
        except BrokenPipeError:
            os.close(channel.fifo)


def open_(directory: str, pidfd: int) -> None:
    """Start the process that waits in `directory`; returns when its program runs, or raises `SetupError`.

    Raises `ConflictError` if another process has just started it: execve closes the fifo a moment before the lock.
    """
    fifo = syscalls.open(os.path.join(directory, GATE), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    said = b""
    try:
        while fifo in (ready := dict(poll.poll(_LOOK * 1000))) or pidfd not in ready:
            if not ready:
                if not is_closed(directory) and not poll.poll(0):
                    raise ConflictError("cannot start an already running container")
                continue
            heard = os.read(fifo, 65536)
            if not heard:
                break
            said += heard
    finally:
        os.close(fifo)
    messages: list[Message] = [json.loads(line) for line in said.splitlines()]
    for message in messages:
        if message["type"] == "error":
            raise SetupError.reported(message)
    if not messages:
        raise SetupError("the container's process has ended before its start", exit_code=EXIT_ENGINE)
