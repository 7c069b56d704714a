"""The observer that sends steps and calls to the trace process, over a socket that every forked process inherits.

A process that was not forked by the command, such as the monitor of a container that the command stops, is passed that
socket for as long as the command runs (`Recorder.socket_lent`, `join`).

An event is one packet: a tuple in Python's binary form (marshal), since all ends are the same program. The kernel adds
the sender's pid, as the trace process's namespace has it (SO_PASSCRED of unix(7)).

The senders of two events wait for an answer, on a socket that is sent along (SCM_RIGHTS): the beginning of a step, with
`--explain=step`, and execve, because the program may write to the same terminal. The socket of execve stays open if the
call fails, and is closed by the kernel if it succeeds: that is how success is reported.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import socket
import struct
import sys
import time
from _thread import get_native_id
from contextlib import suppress
from types import FrameType
from typing import Any

from minidock import errors, observe
from minidock.linux import syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import Call, Observer, Step
from minidock.recorder import call_spelling

GO, QUIT = b"g", b"q"
_SIOCGIFNAME, _SIOCGSKNS = 0x8910, 0x894C  # <linux/sockios.h>
LONGEST = 1 << 17  # bytes of a packet: fits into an unprivileged socket buffer (net.core.wmem_max)
_ABOVE = (
    os.path.dirname(os.path.dirname(os.path.abspath(observe.__file__))) + "/"
)  # the directory that contains the package
# The place of a call is the first frame up the stack that is not in one of these files.
_LINUX = os.path.dirname(syscalls.__file__)
_WRAPPERS = (observe.__file__, __file__,
             *(f"{_LINUX}/{name}.py" for name in ("syscalls", "rtnetlink", "netlink", "programs")))  # fmt: skip


class StoppedError(errors.SetupError):
    """The user has quit `--explain=step`. What was created is removed, as after any failure."""

    exit_code = 130


class Recorder(Observer):
    """`end`: the socket to the trace process. `stepping`: ask at every step whether to go on."""

    def __init__(self, end: socket.socket, *, stepping: bool) -> None:
        self.end = end
        self.stepping = stepping
        self.chosen = False
        self.trace_pid = 0  # in the process that forked the trace process
        self.program: socket.socket | None = None  # our end of execve's socket
        self.pending: dict[int, _CallText] = {}  # by thread: the call that it is making
        self.home = _network()  # the network namespace that this process began in

    def begins(self, step: Step) -> None:
        event = ("begins", step.title, step.book, _place())
        if not self.stepping:
            self._send(event)
            return
        ours = self._ask(event)
        answer = ours.recv(1) if ours else GO
        if ours:
            ours.close()
        if answer == QUIT:
            raise StoppedError(f"stopped before the step '{step.title}'; everything is unmade")

    def ends(self, step: Step) -> None:
        self._send(("ends", step.title, step.microseconds))

    def before(self, call: Call) -> None:
        self.pending[get_native_id()] = _call_text(call, self.home)
        if call.name == "execve":
            self.program = self._ask(self._event("execve", call))
            if self.program:
                self.program.recv(1)

    def after(self, call: Call) -> None:
        text = self.pending.pop(get_native_id(), None)
        if call.name in ("fork", "clone", "clone3") and call.result == 0:
            return  # in the child: the parent reports the call
        self._send(self._event("call", call, text))
        if self.program and call.name == "execve":
            self.program.close()

    def sends(self, mark: str) -> None:
        self._send(("sent", mark))

    def receives(self, mark: str) -> None:
        self._send(("received", mark))

    def socket_lent(self) -> int:
        return self.end.fileno()

    def descriptors(self) -> list[int]:
        return [self.end.fileno()]

    def pass_on(self) -> dict[str, str]:
        os.set_inheritable(self.end.fileno(), True)
        return {"MINIDOCK_OBSERVE_RECORDER": f"{self.end.fileno()}:{'stepping' if self.stepping else ''}"}

    def released(self) -> None:
        self._send(("released",))
        self._leave()

    def ended(self) -> None:
        """Wait until all that is known so far is written; a process that waits for its start may report more."""
        if ours := self._ask(("flush",)):
            ours.recv(1)
            ours.close()
        self._leave()

    def join(self) -> None:
        """Report that this process was not forked by the command."""
        self._send(("joined",))

    def choose(self, style: str, file: str) -> None:
        """The command line has been parsed: set the style, and the file to write to ('' for standard error)."""
        self.chosen = True
        self._send(("choose", style, file))

    def drop(self) -> None:
        """The command line has been parsed, and has no `--explain`: end the trace process."""
        self._send(("drop",))
        self._leave()
        os.waitpid(self.trace_pid, 0)

    def finish(self) -> None:
        """The command has finished: wait until the trace process has written everything."""
        if ours := self._ask(("finish",)):
            ours.recv(1)
            ours.close()
        self._leave()
        with suppress(ChildProcessError):
            os.waitpid(self.trace_pid, 0)

    def _event(self, what: str, call: Call, text: _CallText | None = None) -> tuple[Any, ...]:
        name, arguments, context = text or _call_text(call, self.home)
        number = call.result.errno if isinstance(call.result, OSError) else None
        result = call.result if isinstance(call.result, int) and not isinstance(call.result, bool) else 0
        keywords = {key: _simple(value) for key, value in call.keywords}
        raw = tuple(map(_simple, call.arguments)), {**keywords, **context}
        answer = call_spelling.answer(call)
        return (what, call.name, name, arguments, answer, number, result, call.microseconds, call.step, _place(), raw,
                call.pid)  # fmt: skip

    def _ask(self, event: tuple[Any, ...]) -> socket.socket | None:
        """Send an event with one end of a new socket pair; returns the other end, on which the answer comes."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:  # a seccomp filter forbids it: nothing more can be reported of this process
            self._leave()
            return None
        with theirs:
            if self._send(event, [theirs.fileno()]):
                return ours
        ours.close()
        return None

    def _send(self, event: tuple[Any, ...], fds: list[int] | None = None) -> bool:
        main = get_native_id() == os.getpid()
        packet = marshal.dumps((0 if main else get_native_id(), observe.who, time.monotonic_ns(), *event))
        if len(packet) > LONGEST:  # a call with very large arguments
            packet = marshal.dumps((0, observe.who, time.monotonic_ns(), "lost", len(packet)))
        try:
            socket.send_fds(self.end, [packet], fds or [], socket.MSG_NOSIGNAL)
        except OSError:  # the trace process has ended
            self._leave()
            return False
        return True

    def _leave(self) -> None:
        if self in observe.observers:
            observe.observers.remove(self)
        self.end.close()


class _CallText(NamedTuple):
    """A call as text, and its context, both taken before the call, which may change what they mean."""

    name: str
    arguments: list[str]
    context: dict[str, Any]


def _call_text(call: Call, home: int) -> _CallText:
    try:
        name, arguments = call_spelling.parts(call)
    except (
        TypeError,
        ValueError,
        LookupError,
    ):  # arguments that `call_spelling` does not expect: the container must not fail for that
        name, arguments = call.name, [repr(argument) for argument in call.arguments]
    return _CallText(name, arguments, _context(call, home))


def _context(call: Call, home: int) -> dict[str, Any]:
    """What only this process can find out: the process of a pidfd, and whether a call acts on another network than that
    of `home`.
    """
    try:
        if call.name in ("setns", "pidfd_send_signal"):
            with open(f"/proc/self/fdinfo/{call.arguments[0]}", encoding="ascii") as file:
                return next(({"target": int(line[4:])} for line in file if line.startswith("Pid:")), {})
        if call.name in ("execve", "write"):
            return {"inside": _network() != home}
        if call.name == "netlink":
            fd, words = call.arguments[1], call.arguments[0].split()
            return {
                "inside": _network_of(fd) != home,
                "links": _names(fd, [int(word) for word in words if word.isdigit()]),
            }
    except (OSError, ValueError, LookupError):
        return {}
    return {}


def _network() -> int:
    """The network namespace of this thread, as its inode number (namespaces(7))."""
    return os.stat("/proc/thread-self/ns/net").st_ino


def _network_of(fd: int) -> int:
    """The network namespace of a socket."""
    namespace = fcntl.ioctl(fd, _SIOCGSKNS)
    try:
        return os.fstat(namespace).st_ino
    finally:
        os.close(namespace)


def _names(fd: int, indices: list[int]) -> dict[str, str]:
    """The names of interfaces in the network namespace of a socket, by their numbers as text."""
    names = {}
    for index in indices:
        with suppress(OSError):
            answer = fcntl.ioctl(fd, _SIOCGIFNAME, struct.pack("16si20x", b"", index))
            names[str(index)] = answer[:16].rstrip(b"\0").decode()
    return names


def resume(fd: int, *, stepping: bool) -> None:
    """Go on sending events after this process has executed another Python (`Recorder.pass_on`)."""
    os.set_inheritable(fd, False)
    observe.observers.append(Recorder(socket.socket(fileno=fd), stepping=stepping))


def join(fd: int) -> Recorder:
    """Send this process's events from now on to the trace process behind `fd`, which a command has passed."""
    recorder = Recorder(socket.socket(fileno=fd), stepping=False)
    recorder.join()
    observe.observers.append(recorder)
    return recorder


def answer(reply: socket.socket, word: bytes, *, close: bool = True) -> None:
    """In the trace process: answer the sender of an event, which waits for that."""
    with suppress(OSError):  # it was killed
        reply.send(word)
    if close:
        reply.close()


def _simple(value: Any) -> Any:
    """An argument in a type that marshal can write."""
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _simple(item) for key, item in value.items()}
    if value is None or type(value) in (str, bytes, int, float, bool):
        return value
    return int(value) if isinstance(value, int) else repr(value)


def _place() -> str:
    """file:line of the code that makes the call, relative to the package's parent directory."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename in _WRAPPERS:
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename.removeprefix(_ABOVE)}:{frame.f_lineno}"
