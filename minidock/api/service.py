"""The service: it listens, and forks a process for every connection.

A process and no thread, because fork and threads do not mix (fork(2): the child has only the thread that called it,
and locks that others held are held for ever). Most of what is asked for here forks: a container's monitor, the exec
monitor of an exec, a helper that enters a namespace. So whoever forks has one thread, as on the command line: nothing
else happens in a connection's process than the requests that come over that connection, one after the other. A slow
reader, a client that vanishes, a request that crashes concern their own process and nobody else.

What all connections need is imported once, before the first fork; the pages are shared then (gc.freeze).
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from minidock.api import listening, routing, serve_connection
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    import ssl

_MOST = 1000  # connections at once; the next one waits in the listening socket's queue
_PATIENCE = 2.0  # seconds that connections have to end when the service is told to
_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Service:
    """The listening process. `timeout`: seconds without a connection after which it ends, 0 for never.

    `tls`: for connections that come over TCP, of which there are none without it.
    """

    def __init__(
        self,
        paths: Paths,
        listeners: Sequence[socket.socket],
        timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.paths = paths
        self.listeners = listeners
        self.timeout = timeout
        self.tls = tls
        self.children: set[int] = set()
        self.is_stopped = False

    def run(self) -> None:
        """Serve until nobody has come for so long, or a signal says so."""
        routing.preload()
        os.makedirs(self.paths.root, mode=0o711, exist_ok=True)
        awake = _wake_by_signals()
        for number in _STOP:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()
        quiet_since = time.monotonic()
        while not self.is_stopped:
            wanted = select.poll()
            wanted.register(awake, select.POLLIN)
            for listener in self.listeners if len(self.children) < _MOST else ():
                wanted.register(listener, select.POLLIN)
            left = None
            if self.timeout and not self.children:
                left = max(0.0, quiet_since + self.timeout - time.monotonic())
            ready = dict(wanted.poll(None if left is None else left * 1000))
            if awake.fileno() in ready:
                _drain(awake)
            for listener in self.listeners:
                if listener.fileno() in ready:
                    self._accept(listener)
            had = bool(self.children)
            self._reap()
            if ready or (had and not self.children):
                quiet_since = time.monotonic()
            elif left is not None and time.monotonic() >= quiet_since + self.timeout:
                return
        self._end_connections()

    def _accept(self, listener: socket.socket) -> None:
        try:
            end, _ = listener.accept()
        except OSError:  # the client is gone again, or no descriptor is free: then the next round tries again
            return
        with end:
            try:
                child = os.fork()
            except OSError:  # no process is to be had: the client sees its connection end
                return
            if child == 0:
                self._become_connection(end)
            self.children.add(child)

    def _become_connection(self, end: socket.socket) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_STOP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for listener in self.listeners:
                listener.close()
            is_local = end.family == socket.AF_UNIX
            serve_connection.serve(self.paths, self._plain(end), is_local=is_local)
            code = 0
        finally:
            os._exit(code)

    def _plain(self, end: socket.socket) -> socket.socket:
        if end.family == socket.AF_UNIX:
            return listening.plain(end)
        from minidock.api.streams import server_tls

        assert self.tls, "nobody listens at TCP without it"
        return server_tls.unwrapped(listening.plain(end), self.tls)

    def _stop(self, *_: object) -> None:
        self.is_stopped = True

    def _reap(self) -> None:
        while self.children:
            try:
                child, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.children.clear()
                return
            if child == 0:
                return
            self.children.discard(child)

    def _end_connections(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in self.children:
                os.kill(child, number)
            while self.children and (number == signal.SIGKILL or time.monotonic() < deadline):
                self._reap()
                time.sleep(0.01)


def _wake_by_signals() -> socket.socket:
    """A socket that can be read from after a signal: so that none is missed between a look and poll(2)."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader


def _drain(awake: socket.socket) -> None:
    try:
        while awake.recv(4096):
            continue
    except BlockingIOError:
        return
