"""The trace process: it runs beside the command and writes what all processes of minidock do, while they do it.

It is forked before any other process, so all inherit its socket. It receives their events in the order in which the
kernel queued them, hands them to the chosen style in the order of cause and effect (`event_order.py`), and writes to
standard error. It ends when the command says that it has finished, or when no process has the socket any more.

Until the command line has been parsed it only collects events: `--explain` may be an argument of the container's.
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
from itertools import pairwise
from typing import NoReturn

from minidock import observe
from minidock.explain.trace.blocks import Event, call_of
from minidock.explain.trace.event_order import AfterClone, Grouped, Order
from minidock.explain.trace.style import Style
from minidock.recorder import trace_socket

_REPLY_TIMEOUT = 1000  # milliseconds after which a waiting process gets its answer in any case


def start(*, stepping: bool, apart: bool = False) -> trace_socket.Recorder:
    """Fork the trace process; returns the observer that sends it this process's events from now on.

    `apart`: it may outlive the command, and closes what the command's caller might wait for.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _serve(theirs, apart=apart)
    theirs.close()
    observer = trace_socket.Recorder(ours, stepping=stepping)
    observer.trace_pid = pid
    observe.observers.append(observer)
    with observe.step("Fork the process that writes the trace"):
        observe.report_call("fork", (), pid)
    return observer


def _serve(end: socket.socket, *, apart: bool) -> NoReturn:
    """Run the trace process until there is nothing more to write."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        if apart:
            os.dup2(null, 2)
            kept = sorted((2, null, end.fileno(), 1 << 30))
            for before, after in pairwise(kept):
                os.closerange(before + 1, after)
        for fd in (
            0,
            1,
        ):  # a reader of the command's output waits until no process has it open; this one must not delay that
            os.dup2(null, fd)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # they are meant for the command; this process ends after it
        TraceProcess(end).listen()
        code = 0
    except OSError:  # standard error is closed
        code = 0
    except BaseException as error:
        place = f"{error.__traceback__.tb_frame.f_code.co_filename}" if error.__traceback__ else ""
        print(f"minidock: the explanation ends here: {error!r} in {place}, a defect of minidock's", file=sys.stderr)
    finally:
        os._exit(code)


class TraceProcess:
    """Receives events and hands them to the style."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.style: Style | None = None
        self.order: Order = Grouped()
        self.waiting: list[Event] = []
        self.replies: dict[Event, socket.socket] = {}  # of steps that wait for the user at the terminal
        self.asking: list[int] = []  # pids that wait for an answer
        self.executing: dict[int, tuple[socket.socket, Event]] = {}  # by descriptor: processes in execve

    def listen(self) -> None:
        """Receive events until there can be no more."""
        while True:
            ready = self._wait()
            for fd in ready:
                if fd in self.executing:
                    self._executed(fd)
            if self.end.fileno() not in ready:
                continue
            received = self._receive()
            if received is None:
                self._finish()
                return
            event, reply = received
            if event.what == "finish":
                for fd in list(self.executing):
                    self._executed(fd)
                self._finish()
                if reply:
                    trace_socket.answer(reply, trace_socket.GO)
                return
            self._take(event, reply)

    def _flush(self, reply: socket.socket | None) -> None:
        """The command has ended: write all that has happened. What waits for its start comes later."""
        if self.style:
            self._write(self.order.remaining())
            self.style.flush()
        if reply:
            trace_socket.answer(reply, trace_socket.GO)

    def _finish(self) -> None:
        if self.style:
            self._write(self.order.remaining())
            self.style.finish()

    def _wait(self) -> list[int]:
        poll = select.poll()
        for fd in (self.end.fileno(), *self.executing):
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(_REPLY_TIMEOUT if self.asking else None)]
        if not ready and self.style:  # the creator of the process that asks was killed before it reported the clone
            self._write(self.order.remaining())
            self._answer_executing()
        return ready

    def _receive(self) -> tuple[Event, socket.socket | None] | None:
        room = socket.CMSG_SPACE(struct.calcsize("iII")) + socket.CMSG_SPACE(4)
        data, ancillary, _, _ = self.end.recvmsg(trace_socket.LONGEST, room, socket.MSG_CMSG_CLOEXEC)
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
        elif event.what == "flush":
            self._flush(reply)
        elif event.what == "drop":
            os._exit(0)
        elif reply and event.what == "begins":
            self._take_step(event, reply)
        else:
            if reply:  # in execve: the program may use the same terminal, so all earlier events are written first
                self.executing[reply.fileno()] = (reply, event)
                self.asking.append(event.pid)
            self._add(event)
            self._answer_executing()

    def _answer_executing(self) -> None:
        """Let processes execute their programs whose earlier events are all written."""
        for reply, event in self.executing.values():
            if event.pid in self.asking and not self.order.awaits_clone(event.pid):
                self.asking.remove(event.pid)
                trace_socket.answer(reply, trace_socket.GO, close=False)

    def _take_step(self, event: Event, reply: socket.socket) -> None:
        """Add a step whose process waits for an answer. Only with `--explain=step` does it wait for the user."""
        if self.style is None or isinstance(self.order, Grouped):
            trace_socket.answer(reply, trace_socket.GO)
        else:
            self.replies[event] = reply
        self._add(event)

    def _add(self, event: Event) -> None:
        if self.style is None:
            self.waiting.append(event)
        else:
            self._write(self.order.take(event))

    def _write(self, events: Iterable[Event]) -> None:
        assert self.style
        for event in events:
            if event.what == "call" and call_of(event).wrapper == "execve":
                for fd, (_, begun) in list(self.executing.items()):
                    if begun.pid == event.pid:  # the call failed, and this event reports it
                        self.executing.pop(fd)[0].close()
            self.style.take(event, self.replies.pop(event, None) if event.what == "begins" else None)

    def _choose(self, style: str, file: str) -> None:
        from minidock.explain.trace import styles

        self.style = styles.create_style(style, file)
        self.order = AfterClone() if style == "step" else Grouped()
        for event in self.waiting:
            self._write(self.order.take(event))
        self.waiting.clear()

    def _executed(self, fd: int) -> None:
        """A process has executed its program: the kernel has closed its end of the socket."""
        reply, event = self.executing.pop(fd)
        reply.close()
        self._add(event._replace(what="executed"))
