"""The observer that sends everything to a narrator. Every process that is forked has a copy of it, and of its socket.

A process that is no relative, such as the monitor of a container that another command stops, is lent that socket while
the command lasts (`Recorder.socket_lent`, `join`).

An event is one packet: a tuple in Python's own binary form (marshal), as all ends are the same program. Who sent it,
the kernel says itself, with the pid as the narrator sees it (SO_PASSCRED of unix(7)), from whatever pid namespace.

Two events wait for an answer, which comes over a socket that travels with them (SCM_RIGHTS): a step's beginning, if
somebody goes step by step, and execve, because the program that takes over may write to the same terminal. The socket
of execve stays open across the call if that fails, and is closed by the kernel if it succeeds: so success, which nobody
can report, is known too.
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
from typing import Any, NamedTuple

from minidock import errors, observe
from minidock.linux import syscalls
from minidock.observe import Call, Observer, Step
from minidock.recorder import call_spelling

GO, QUIT = b"g", b"q"
_SIOCGIFNAME, _SIOCGSKNS = 0x8910, 0x894C  # <linux/sockios.h>
LONGEST = 1 << 17  # bytes of a packet: an unprivileged socket buffer (net.core.wmem_max) takes it
_ABOVE = os.path.dirname(os.path.dirname(os.path.abspath(observe.__file__))) + "/"  # where the package lies
# Where a call is made is the first place on the way up that is not one of these.
_LINUX = os.path.dirname(syscalls.__file__)
_WRAPPERS = (observe.__file__, __file__,
             *(f"{_LINUX}/{name}.py" for name in ("syscalls", "rtnetlink", "netlink", "programs")))  # fmt: skip


class StoppedError(errors.SetupError):
    """Whoever went step by step has seen enough. What was made is unmade, as after any failure."""

    exit_code = 130


class Recorder(Observer):
    """`end`: the socket to the narrator. `stepping`: ask at every step whether to go on."""

    def __init__(self, end: socket.socket, *, stepping: bool) -> None:
        self.end = end
        self.stepping = stepping
        self.chosen = False
        self.narrator = 0  # its pid, in the process that started it
        self.program: socket.socket | None = None  # our end of execve's socket
        self.asked: dict[int, _Question] = {}  # by thread: the call that it makes

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
        self.asked[get_native_id()] = _question(call)
        if call.name == "execve":
            self.program = self._ask(self._event("execve", call))
            if self.program:
                self.program.recv(1)

    def after(self, call: Call) -> None:
        asked = self.asked.pop(get_native_id(), None)
        if call.name in ("fork", "clone", "clone3") and call.result == 0:
            return  # the child, in which no call was made
        self._send(self._event("call", call, asked))
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

    def join(self) -> None:
        """Say that this process was not made for the command that asks."""
        self._send(("joined",))

    def choose(self, style: str, file: str) -> None:
        """Tell the narrator how to tell it, and where if not on standard error: the command line is understood now."""
        self.chosen = True
        self._send(("choose", style, file))

    def drop(self) -> None:
        """Nobody has asked for an explanation after all."""
        self._send(("drop",))
        self._leave()
        os.waitpid(self.narrator, 0)

    def finish(self) -> None:
        """The command is over: wait until the narrator has told everything."""
        if ours := self._ask(("finish",)):
            ours.recv(1)
            ours.close()
        self._leave()
        with suppress(ChildProcessError):
            os.waitpid(self.narrator, 0)

    def _event(self, what: str, call: Call, asked: _Question | None = None) -> tuple[Any, ...]:
        name, arguments, circumstances = asked or _question(call)
        number = call.result.errno if isinstance(call.result, OSError) else None
        result = call.result if isinstance(call.result, int) and not isinstance(call.result, bool) else 0
        keywords = {key: _simple(value) for key, value in call.keywords}
        raw = tuple(map(_simple, call.arguments)), {**keywords, **circumstances}
        answer = call_spelling.answer(call)
        return (what, call.name, name, arguments, answer, number, result, call.microseconds, call.step, _place(), raw,
                call.pid)  # fmt: skip

    def _ask(self, event: tuple[Any, ...]) -> socket.socket | None:
        """Send an event with one end of a new socket; returns the other, on which an answer comes."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:  # a filter of system calls that forbids it: the story ends here for this process
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
        if len(packet) > LONGEST:  # a call whose arguments are larger than any screen
            packet = marshal.dumps((0, observe.who, time.monotonic_ns(), "lost", len(packet)))
        try:
            socket.send_fds(self.end, [packet], fds or [], socket.MSG_NOSIGNAL)
        except OSError:  # the narrator is gone, so there is nobody left to tell
            self._leave()
            return False
        return True

    def _leave(self) -> None:
        if self in observe.observers:
            observe.observers.remove(self)
        self.end.close()


class _Question(NamedTuple):
    """A call in words, and its circumstances: as they were before it was made, which may change what both mean."""

    name: str
    arguments: list[str]
    circumstances: dict[str, Any]


def _question(call: Call) -> _Question:
    try:
        name, arguments = call_spelling.parts(call)
    except (TypeError, ValueError, LookupError):  # announced otherwise than it is spelled: not worth a container
        name, arguments = call.name, [repr(argument) for argument in call.arguments]
    return _Question(name, arguments, _circumstances(call))


def _circumstances(call: Call) -> dict[str, Any]:
    """What the arguments mean only here: which process a pidfd is of, which network a socket speaks to."""
    try:
        if call.name == "setns":
            with open(f"/proc/self/fdinfo/{call.arguments[0]}", encoding="ascii") as file:
                return next(({"target": int(line[4:])} for line in file if line.startswith("Pid:")), {})
        if call.name == "netlink":
            return _network_of(call.arguments[1], [int(word) for word in call.arguments[0].split() if word.isdigit()])
    except (OSError, ValueError, LookupError):
        return {}
    return {}


def _network_of(fd: int, indices: list[int]) -> dict[str, Any]:
    """Whether a socket is in another network namespace than this thread, and what interfaces are called there."""
    namespace = fcntl.ioctl(fd, _SIOCGSKNS)
    try:
        inside = os.fstat(namespace).st_ino != os.stat("/proc/thread-self/ns/net").st_ino
    finally:
        os.close(namespace)
    names = {}
    for index in indices:
        with suppress(OSError):
            answer = fcntl.ioctl(fd, _SIOCGIFNAME, struct.pack("16si20x", b"", index))
            names[str(index)] = answer[:16].rstrip(b"\0").decode()
    return {"inside": inside, "links": names}


def resume(fd: int, *, stepping: bool) -> None:
    """Go on telling what this process does, which did so as another program (`Recorder.pass_on`)."""
    os.set_inheritable(fd, False)
    observe.observers.append(Recorder(socket.socket(fileno=fd), stepping=stepping))


def join(fd: int) -> Recorder:
    """Tell the narrator at the other end of `fd`, which a command has lent, what this process does from here on."""
    recorder = Recorder(socket.socket(fileno=fd), stepping=False)
    recorder.join()
    observe.observers.append(recorder)
    return recorder


def answer(reply: socket.socket, word: bytes, *, close: bool = True) -> None:
    """In the narrator: let the sender of an event that waits go on."""
    with suppress(OSError):  # it was killed
        reply.send(word)
    if close:
        reply.close()


def _simple(value: Any) -> Any:
    """An argument as marshal takes it."""
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _simple(item) for key, item in value.items()}
    if value is None or type(value) in (str, bytes, int, float, bool):
        return value
    return int(value) if isinstance(value, int) else repr(value)


def _place() -> str:
    """file:line of the code that is at it, from the package's directory on."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename in _WRAPPERS:
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename.removeprefix(_ABOVE)}:{frame.f_lineno}"
