"""The narrator: a process beside the command that tells, while it happens, what all of minidock's processes do.

It is forked before anything else, so all have its socket. It receives their events in the order in which the kernel
queued them, gives them to the chosen style in the order in which they are told (`event_order.py`), and writes to
standard error. When the command has said that it is over, or when all who could tell something are gone, it ends.

Until the command line is understood it only collects: `--explain` may turn out to be a word of the container's.
"""

from __future__ import annotations

import array
import marshal
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from typing import NoReturn, Protocol

from minidock import observe
from minidock.explain.trace.blocks import Event, call_of
from minidock.explain.trace.event_order import AfterClone, Grouped, Order
from minidock.recorder import recorder

_PATIENCE = 1000  # milliseconds


class Style(Protocol):
    """A way of telling."""

    def take(self, event: Event, reply: socket.socket | None) -> None:
        """Tell what is to be told now. An answer on `reply` lets the sender go on (`recorder.GO`, `QUIT`)."""

    def finish(self) -> None:
        """Tell the rest."""


def start(*, stepping: bool) -> recorder.Recorder:
    """Fork the narrator; returns the observer, which is at work from here on."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _serve(theirs)
    theirs.close()
    observer = recorder.Recorder(ours, stepping=stepping)
    observer.narrator = pid
    observe.observers.append(observer)
    with observe.step("Fork the narrator"):
        observe.happened("fork", (), pid)
    return observer


def _serve(end: socket.socket) -> NoReturn:
    """The narrator's life."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1):  # whoever reads the command's output waits for its end, which is not ours
            os.dup2(null, fd)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # for the command; its end is ours
        Narrator(end).listen()
        code = 0
    except OSError:  # nobody reads standard error any more
        code = 0
    except BaseException as error:
        place = f"{error.__traceback__.tb_frame.f_code.co_filename}" if error.__traceback__ else ""
        print(f"minidock: the explanation ends here: {error!r} in {place}, a defect of minidock's", file=sys.stderr)
    finally:
        os._exit(code)


class Narrator:
    """Receives; the style tells."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.style: Style | None = None
        self.order: Order = Grouped()
        self.waiting: list[Event] = []
        self.replies: dict[Event, socket.socket] = {}  # of steps that wait for somebody at the terminal
        self.asking: list[int] = []  # of those, who waits for an answer
        self.becoming: dict[int, tuple[socket.socket, Event]] = {}  # by descriptor: processes in execve

    def listen(self) -> None:
        """Take events until there can be no more."""
        while True:
            ready = self._wait()
            for fd in ready:
                if fd in self.becoming:
                    self._became(fd)
            if self.end.fileno() not in ready:
                continue
            received = self._receive()
            if received is None:
                self._finish()
                return
            event, reply = received
            if event.what == "finish":
                for fd in list(self.becoming):
                    self._became(fd)
                self._finish()
                if reply:
                    recorder.answer(reply, recorder.GO)
                return
            self._take(event, reply)

    def _finish(self) -> None:
        if self.style:
            self._give(self.order.rest())
            self.style.finish()

    def _wait(self) -> list[int]:
        poll = select.poll()
        for fd in (self.end.fileno(), *self.becoming):
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(_PATIENCE if self.asking else None)]
        if not ready and self.style:  # whoever has made the process that asks was killed before it could tell
            self._give(self.order.rest())
            self._let_go()
        return ready

    def _receive(self) -> tuple[Event, socket.socket | None] | None:
        room = socket.CMSG_SPACE(struct.calcsize("iII")) + socket.CMSG_SPACE(4)
        data, ancillary, _, _ = self.end.recvmsg(recorder.LONGEST, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        pid, reply = 0, None
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid = struct.unpack("iII", content)[0]
            elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array("i", content[: len(content) - len(content) % 4])
                reply = socket.socket(fileno=fds[0])
        thread, who, moment, what, *content = marshal.loads(data)
        return Event(pid, thread, who, moment, what, tuple(content)), reply

    def _take(self, event: Event, reply: socket.socket | None) -> None:
        if event.what == "choose":
            self._choose(*event.content)
        elif event.what == "drop":
            os._exit(0)
        elif reply and event.what == "begins":
            self._take_step(event, reply)
        else:
            if reply:  # of execve: what may write to the same terminal waits until all that led to it is told
                self.becoming[reply.fileno()] = (reply, event)
                self.asking.append(event.pid)
            self._hear(event)
            self._let_go()

    def _let_go(self) -> None:
        """Answer those who may execute their programs, as all that led to that is told."""
        for reply, event in self.becoming.values():
            if event.pid in self.asking and not self.order.is_unborn(event.pid):
                self.asking.remove(event.pid)
                recorder.answer(reply, recorder.GO, close=False)

    def _take_step(self, event: Event, reply: socket.socket) -> None:
        """A step that waits; but only at a terminal, for whoever goes step by step."""
        if self.style is None or isinstance(self.order, Grouped):
            recorder.answer(reply, recorder.GO)
        else:
            self.replies[event] = reply
        self._hear(event)

    def _hear(self, event: Event) -> None:
        if self.style is None:
            self.waiting.append(event)
        else:
            self._give(self.order.take(event))

    def _give(self, events: Iterable[Event]) -> None:
        assert self.style
        for event in events:
            if event.what == "call" and call_of(event).wrapper == "execve":
                for fd, (_, begun) in list(self.becoming.items()):
                    if begun.pid == event.pid:  # it failed, and says so itself
                        self.becoming.pop(fd)[0].close()
            self.style.take(event, self.replies.pop(event, None) if event.what == "begins" else None)

    def _choose(self, style: str, file: str) -> None:
        from minidock.explain.trace import styles

        self.style = styles.make(style, file)
        self.order = AfterClone() if style == "step" else Grouped()
        for event in self.waiting:
            self._give(self.order.take(event))
        self.waiting.clear()

    def _became(self, fd: int) -> None:
        """A process has become its program: the kernel has closed its end."""
        reply, event = self.becoming.pop(fd)
        reply.close()
        self._hear(event._replace(what="became"))
