"""One connection: HTTP/1.1 over a socket.

h11 parses and writes HTTP/1.1; the socket stays in this module, as `attach` needs it. No byte after the present request
is read, so that what follows an upgrade is still in the socket.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import socket
import time
from contextlib import suppress

import h11

from minidock.api.http_errors import ClientGone
from minidock.engine.state_paths import Paths
from minidock.named_tuple import NamedTuple

_MOST_HEAD = 1 << 20  # bytes: Go's limit for the headers of a request, too
_CHUNK = 1 << 16
_IDLE = 300.0  # seconds without a request after which the connection is closed
_SLOW = 300.0  # seconds that a request's head or the next part of its body may take
_LAST_INPUT = 2.0  # seconds that a client has to see that it has been answered
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class Request(NamedTuple):
    """What the head of a request says; the names of `headers` are in small letters."""

    method: str
    target: str
    headers: dict[str, str]


class Connection:
    """The socket and what h11 knows of it."""

    def __init__(self, paths: Paths, end: socket.socket, *, is_local: bool) -> None:
        self.is_local = is_local
        self.paths = paths
        self.socket = end
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)
        self._tail = b""  # the last bytes of a head that has not ended yet
        self._has_begun = False

    # In

    def next_request(self) -> Request | None:
        """The next request's head; None if the connection is over."""
        self._has_begun = False
        try:
            event = self._next_event()
        except h11.RemoteProtocolError as error:
            self.refuse(error)
            return None
        return _request(event) if isinstance(event, h11.Request) else None

    def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            self._receive()

    def read_body(self) -> bytes | None:
        """The next part of the request's body; None at its end."""
        if self.http.they_are_waiting_for_100_continue:
            self.send(h11.InformationalResponse(status_code=100, headers=[]))
        event = self._next_event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        return None

    def _receive(self) -> None:
        """Give h11 what the client has sent, up to the end of the head, or of the body as far as that is known."""
        self._wait()
        try:
            is_head = self.http.their_state is h11.IDLE
            data = self._head_part() if is_head else self.socket.recv(_CHUNK)
        except ConnectionResetError:
            raise ClientGone from None
        self._has_begun = True
        self.http.receive_data(data)

    def _head_part(self) -> bytes:
        seen = self._tail + self.socket.recv(_CHUNK, socket.MSG_PEEK)
        match = _END_OF_HEAD.search(seen)
        end = match.end() if match else len(seen)
        data = self.socket.recv(end - len(self._tail)) if end > len(self._tail) else b""
        self._tail = b"" if match else seen[-3:]
        return data

    def _wait(self) -> None:
        """Wait for the client. Between two requests, the monitors are let go that were started here and have ended."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if self._has_begun:
            if not poll.poll(_SLOW * 1000):
                raise ClientGone
            return
        before = signal.signal(signal.SIGCHLD, lambda *_: _reap())
        _reap()
        try:
            if not poll.poll(_IDLE * 1000):
                raise ClientGone
        finally:
            signal.signal(signal.SIGCHLD, before)

    # Out

    def send(self, event: h11.Event) -> None:
        """Send a part of an answer. Raises `BrokenPipeError` if nobody is there."""
        if data := self.http.send(event):
            self.socket.sendall(data)

    def send_data(self, data: bytes | memoryview) -> None:
        """Send a part of the body of an answer, without copying it."""
        for piece in self.http.send_with_data_passthrough(h11.Data(data=data)) or ():  # type: ignore[arg-type]
            self.socket.sendall(piece)

    def refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer what is no HTTP, and end."""
        if self.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        text = f"{error}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close"),
                   ("Content-Length", str(len(text)))]  # fmt: skip
        with suppress(OSError, h11.LocalProtocolError):
            self.send(h11.Response(status_code=error.error_status_hint, headers=headers))
            self.send(h11.Data(data=text))
            self.send(h11.EndOfMessage())
            self.discard_input()

    def discard_input(self) -> None:
        """Read on for a moment: closing a socket with unread input would reset it before our answer is read."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + _LAST_INPUT
            self.socket.settimeout(_LAST_INPUT)
            while time.monotonic() < deadline and self.socket.recv(_CHUNK):
                continue

    def ready_for_more(self) -> bool:
        """Whether another request may follow the one that has been answered."""
        if self.http.our_state is h11.MUST_CLOSE or self.http.our_state is not h11.DONE:
            self.discard_input()
            return False
        while self.http.their_state is h11.SEND_BODY:  # a body that nobody wanted; a long one is no use reading
            if self.http.next_event() is h11.NEED_DATA:
                self.discard_input()
                return False
        if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE:
            return False
        self.http.start_next_cycle()
        return True

    def hang_up_signal(self, *, also_half: bool) -> HangUp:
        """Have `ClientGone` raised inside the `with` block as soon as the client closes the connection."""
        return HangUp(self.socket, also_half=also_half)


class HangUp:
    """The kernel tells by SIGIO (fcntl(2), O_ASYNC) when something happens to the socket; then we look what it was.

    So whatever waits for something else, for how long ever, ends with its client. `also_half`: a client that will not
    send any more is taken for gone, as docker does while it answers.
    """

    def __init__(self, end: socket.socket, *, also_half: bool) -> None:
        self.socket = end
        self.gone = select.POLLHUP | select.POLLERR | (select.POLLRDHUP if also_half else 0)
        self._is_inside = False

    def __enter__(self) -> None:
        self._is_inside = True
        signal.signal(signal.SIGIO, self._look)
        fcntl.fcntl(self.socket.fileno(), fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self.socket.fileno(), fcntl.F_GETFL, 0)
        fcntl.fcntl(self.socket.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)
        self._look()  # it may have happened before

    def _look(self, *_: object) -> None:
        if not self._is_inside:
            return
        poll = select.poll()
        poll.register(self.socket, self.gone)
        if any(events & self.gone for _, events in poll.poll(0)):
            raise ClientGone

    def __exit__(self, *_: object) -> None:
        self._is_inside = False
        flags = fcntl.fcntl(self.socket.fileno(), fcntl.F_GETFL, 0)
        fcntl.fcntl(self.socket.fileno(), fcntl.F_SETFL, flags & ~os.O_ASYNC)
        signal.signal(signal.SIGIO, signal.SIG_IGN)


def _reap() -> None:
    """Let go of children that have ended. Called while nothing else is done: nobody else waits for one then."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def _request(event: h11.Request) -> Request:
    headers: dict[str, str] = {}
    for name, value in event.headers:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    return Request(event.method.decode("ascii"), event.target.decode("latin-1"), headers)
