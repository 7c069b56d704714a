"""Move bytes from a command into a container without waiting; `output.py` moves the other direction.

Without a terminal, a container has three pipes; with one, both directions go through the master end of its
pseudo-terminal. Either way a `Flow` copies what there is, never blocks, and names the events that it needs next: so one
loop around poll(2) serves several flows and all other descriptors of the process, without threads.

splice(2) moves pages from one pipe to another without copying them. For ends that splice does not take (a terminal, a
file opened for appending), read and write are used.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minidock.engine.monitor.detach_keys import DetachKeys

CHUNK = 1 << 20
_F_SETPIPE_SZ = 1031
SPLICE_F_NONBLOCK = 2
_PTMX = os.makedev(5, 2)
BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL

Events = dict[int, int]


def poll(wanted: Events, timeout: float | None = None) -> Events:
    """poll(2): wait until some of `wanted` ({descriptor: events}) has come, at most `timeout` seconds."""
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    return dict(poll.poll(None if timeout is None else timeout * 1000))


class Flow:
    """Bytes from `source` to `target`, until the source ends or the target takes no more.

    Then `over` is set; `broken` is the reason, if it was not the source's end; `detached`: `keys` were typed. The
    creator of the flow closes its ends. With `lazy`, a target that breaks matters only once there is something for it.
    """

    def __init__(self, source: int, target: int, keys: DetachKeys | None = None, *, lazy: bool = False) -> None:
        self.source = source
        self.target = target
        self.keys = keys
        self.over = False
        self.detached = False
        self.broken: OSError | None = None
        self._lazy = lazy
        self._readable = False
        self._rest = memoryview(b"")  # read and not yet written
        kind = os.fstat(self.target).st_mode
        self._splices = not stat.S_ISSOCK(kind) and keys is None
        self._write: Callable[[memoryview], int] = lambda data: os.write(self.target, data)
        if stat.S_ISSOCK(kind):
            end = socket.socket(fileno=self.target)
            self._write = lambda data: end.send(data, socket.MSG_DONTWAIT)

    def wants(self) -> Events:
        """What to wait for."""
        if self.over:
            return {}
        if self._rest or self._readable:
            return {self.target: select.POLLOUT}
        return {self.source: select.POLLIN} if self._lazy else {self.source: select.POLLIN, self.target: 0}

    def serve(self, ready: Events) -> None:
        """Move what can be moved now; `ready` is what `wait` returned."""
        if self.over:
            return
        events = ready.get(self.target, 0)
        if events & BROKEN:
            self._end(OSError(errno.EPIPE, os.strerror(errno.EPIPE)))
        elif events & select.POLLOUT:
            self._move()
        elif ready.get(self.source):
            self._readable = True  # next, wait for the target to be ready as well

    def discard(self) -> None:
        """From here on, read what comes and drop it: the target takes no more."""
        if self.broken:
            self.over, self.broken = False, None
        if not self.over:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self.target, inheritable=False)
            os.close(null)
            self._rest, self._splices, self._write = memoryview(b""), False, len

    def _move(self) -> None:
        self._readable = False
        try:
            if self._splices and not self._rest:
                try:
                    self.over = not os.splice(self.source, self.target, CHUNK, flags=SPLICE_F_NONBLOCK)
                    return
                except OSError as error:
                    if error.errno not in (
                        errno.EINVAL,
                        errno.EIO,
                    ):  # EIO: read and write show which end
                        raise
                    self._splices = False
            self._copy()
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)

    def _copy(self) -> None:
        if not self._rest:
            self._rest = memoryview(self._read())
            self.over = self.over or (not self._rest and not self.keys)
        if self._rest:
            self._rest = self._rest[self._write(self._rest) :]
        self.over = self.over or (self.detached and not self._rest)

    def _read(self) -> bytes:
        data = b""
        try:
            data = os.read(self.source, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose other end is closed has no end but this
                raise
        if self.keys and data:
            data, self.detached = self.keys.pass_on(data)
        elif self.keys:
            self.over = True
        return data

    def _end(self, error: OSError) -> None:
        self.over, self.broken = True, error


class Pipes:
    """What a container without a terminal has instead: `inside`, descriptors for its 0, 1 and 2; here their other ends.

    `input` is None for a container without input: it reads /dev/null. `big`: pipes with more room, for attached
    clients.
    """

    def __init__(self, *, interactive: bool, big: bool = True) -> None:
        make_pipe = _make_big_pipe if big else os.pipe
        self.input: int | None = None
        if interactive:
            in_read, self.input = make_pipe()
        else:
            in_read = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.output, out_write = make_pipe()
        self.errors, err_write = os.pipe()
        self.inside = (in_read, out_write, err_write)
        for end in (self.output, self.errors):
            os.set_blocking(end, False)  # ours alone: the container's ends are other open files

    def close_inside(self) -> None:
        """Close the container's ends here: the end of file must come when the container closes its own."""
        for fd in self.inside:
            os.close(fd)


def _make_big_pipe() -> tuple[int, int]:
    """A pipe (read end, write end) with room for fewer switches between the two sides."""
    pipe = os.pipe()
    try:
        fcntl.fcntl(pipe[1], _F_SETPIPE_SZ, CHUNK)
    except OSError:  # the user's quota of pipe pages (pipe(7)) is used up
        return pipe
    return pipe


def unshared(fd: int) -> int:
    """A copy of `fd` to write to, which never waits, without changing how the caller's own descriptor behaves.

    O_NONBLOCK is a flag of the open file, which all copies of a descriptor share. So a terminal or a pipe is opened
    anew; writes to regular files never block, and send(2) has a flag for each call.
    """
    status = os.fstat(fd)
    is_ptmx = stat.S_ISCHR(status.st_mode) and status.st_rdev == _PTMX  # opening that would make a new terminal
    if stat.S_ISFIFO(status.st_mode) or (os.isatty(fd) and not is_ptmx):
        try:
            # O_NOCTTY: to write to a terminal must not make it ours.
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:  # hung up, or without a reader: the first write will fail
            return os.dup(fd)
    return os.dup(fd)
