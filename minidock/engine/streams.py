"""Bytes between a container and its caller, unharmed and at full speed.

Without a terminal, the container has three pipes. A thread for each moves bytes with splice(2), which hands pages of
a pipe over without copying them; where one end is nothing that splice takes (a terminal, a file opened for appending),
read and write do it. With a terminal, the container's side is the master end of its pseudo-terminal.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import threading

_CHUNK = 1 << 20
_F_SETPIPE_SZ = 1031


class Streams:
    """The pipes of one container, or its terminal, and the threads that move bytes.

    `inside`: the descriptors for the container's 0, 1 and 2, or None when it makes a terminal itself.
    """

    def __init__(self, *, interactive: bool, tty: bool) -> None:
        self.interactive = interactive
        self.inside: tuple[int, int, int] | None = None
        self._outside: list[int] = []
        self._input: threading.Thread | None = None
        self._outputs: list[threading.Thread] = []
        self._wake, self._stop = os.pipe()
        self._deaf = threading.Event()
        if not tty:
            self._make_pipes()

    def _make_pipes(self) -> None:
        if self.interactive:
            in_read, in_write = os.pipe()
        else:
            in_read, in_write = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), -1
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        for fd in (in_write, out_read):
            if fd >= 0:
                _enlarge(fd)
        self.inside = (in_read, out_write, err_write)
        self._outside = [in_write, out_read, err_read]

    def close_inside(self) -> None:
        """Close the container's ends here: the end of file must come when the container closes its own."""
        for fd in self.inside or ():
            os.close(fd)

    def start(self, caller: tuple[int, int, int], console: int | None) -> None:
        """Begin to move bytes between the container and the `caller`'s descriptors 0, 1 and 2."""
        if console is not None:
            self._outside = [console, console, -1]
        for source, sink in zip(self._outside[1:], caller[1:], strict=True):
            if source >= 0:
                self._outputs.append(self._thread(self._copy_out, source, sink))
        if self.interactive:
            self._input = self._thread(self._copy_in, caller[0], self._outside[0], console is None)

    def caller_left(self) -> None:
        """Nobody reads any more: what the container writes from here on is read and thrown away."""
        self._deaf.set()
        self._end_input()

    def outputs_done(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the last byte of output to be delivered."""
        for thread in self._outputs:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._outputs)

    def finish(self) -> None:
        """Stop taking input, so that what is typed next goes to the caller's shell."""
        self._end_input()
        if self._input:
            self._input.join(1.0)

    def _end_input(self) -> None:
        os.write(self._stop, b"x")

    @staticmethod
    def _thread(function: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        return thread

    def _copy_in(self, source: int, sink: int, close: bool) -> None:
        """Input until its end, which is passed on to a pipe by closing it; a terminal has no end of input."""
        poll = select.poll()
        poll.register(source, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            while True:
                ready = dict(poll.poll())
                if self._wake in ready or not _move(source, sink):
                    break
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
        finally:
            if close:
                os.close(sink)

    def _copy_out(self, source: int, sink: int) -> None:
        """Output until its end. If the caller's end is closed, so is ours: the container learns it by SIGPIPE."""
        try:
            while not self._deaf.is_set():
                if not _move(source, sink):
                    return
            while os.read(source, _CHUNK):
                continue
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO, errno.ENOSPC):
                raise
            if source != self._outside[0]:
                os.close(source)


def _move(source: int, sink: int) -> bool:
    """Move some bytes; False at the end. EIO from a terminal whose other end is closed is its end too."""
    try:
        return os.splice(source, sink, _CHUNK) > 0
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    data = os.read(source, _CHUNK)
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]
    return bool(data)


def _enlarge(pipe: int) -> None:
    """A bigger pipe means fewer switches between the two sides; the user's quota of pipe pages may forbid it."""
    try:
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _CHUNK)
    except OSError:
        return
