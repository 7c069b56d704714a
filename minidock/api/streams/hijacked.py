"""A connection that a container's streams take over: it becomes this process's own 0, 1 and 2.

So what follows is what the command line does with its own streams (`engine/monitor/attach_client.py`): descriptors go
to the container's monitor, and bytes do not come by here. With a terminal inside, the monitor writes to the client's
socket itself. Without one, two outputs share the connection, and a process of their own puts heads before their pieces
(`multiplexed.py`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from minidock.api.streams import multiplexed

_OUTPUTS = (("stdout", 1), ("stderr", 2))


@contextmanager
def as_own_streams(client: socket.socket, streams: Sequence[str], *, raw: bool) -> Iterator[None]:
    """Have `streams` (of stdin, stdout, stderr) be the client's inside the `with` block; the others are empty.

    At the end, all that was written is on its way to the client. `raw`: the outputs are sent as they are.
    """
    saved = [os.dup(fd) for fd in (0, 1, 2)]
    pump = None
    try:
        _empty()
        if "stdin" in streams:
            os.dup2(client.fileno(), 0)
        outputs = [(name, fd) for name, fd in _OUTPUTS if name in streams]
        if raw:
            for _, fd in outputs:
                os.dup2(client.fileno(), fd)
        elif outputs:
            pump = _start_pump(client, [fd for _, fd in outputs], saved)
        yield
    finally:
        _empty()  # the pump sees the end when everybody else has let go of it
        if pump is not None:
            os.waitpid(pump, 0)
        for fd, copy in enumerate(saved):
            os.dup2(copy, fd)
            os.close(copy)


def _empty() -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _start_pump(client: socket.socket, outputs: list[int], saved: list[int]) -> int:
    """The pid of a process that moves what is written to `outputs` from now on."""
    pipes = {fd: os.pipe() for fd in outputs}
    child = os.fork()
    if child == 0:
        try:
            for fd in (*saved, *(writer for _, writer in pipes.values())):
                os.close(fd)
            multiplexed.pump({reader: fd for fd, (reader, _) in pipes.items()}, client)
        finally:
            os._exit(0)
    for fd, (reader, writer) in pipes.items():
        os.dup2(writer, fd)
        os.close(writer)
        os.close(reader)
    return child
