"""Steps and observers: how the code is explained, measured, and made to fail on purpose.

Work on the kernel is done inside named steps, and every kernel call is announced inside the step it belongs to:

    with step("Set the host name", book="3.1"):
        syscalls.sethostname("web")

Without observers, a step costs one append and a call one truth test. An `Observer` is called at each: one prints an
explanation, one adds up microseconds, one injects faults by raising in `before`. None can differ from the code, because
there is no second description of what the code does.

`book` is a section of Gouigoux's book on Docker (explain/trace/book.py): "3.1" is the section of that number in the
first chapter, or in the chapter that book.py lists for the number; "chapter 7, 2.1" names its chapter.
"""

from __future__ import annotations

import os
import time
from _thread import _local
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from minidock.named_tuple import NamedTuple

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class Call(NamedTuple):
    """One call into the kernel.

    The arguments are the kernel's own values: `minidock/recorder/call_spelling.py` writes them as text. `result` is
    what the call returned, or the `OSError` it raised; None before the call. `pid` is that of the process that made the
    call, if another process reports it (for a child that is about to execute a program).
    """

    name: str
    arguments: tuple[Any, ...]
    step: str
    result: Any = None
    microseconds: int = 0
    keywords: tuple[tuple[str, Any], ...] = ()
    pid: int = 0

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(_shown, (*self.arguments, *(value for _, value in self.keywords))))})"


class Step(NamedTuple):
    """A named group of calls; `book` is the section of the book that it belongs to, or ''.

    `microseconds` is the time spent in it, without the time of observers (one may wait for the user) and without
    waiting for messages of other processes.
    """

    title: str
    book: str
    microseconds: int = 0


class Observer:
    """Its methods are called for everything, in the order in which it happens. Override those of interest.

    An exception raised in `before` takes the place of the call: that is how faults are injected. The command, a monitor
    and a container's first process are forks of each other: each has its own copy of the observer, and the copies may
    be connected by a file, a socket or shared memory.
    """

    def begins(self, step: Step) -> None:
        """A step begins."""

    def ends(self, step: Step) -> None:
        """A step has ended; `step.microseconds` is how long it took."""

    def before(self, call: Call) -> None:
        """A call is about to be made."""

    def after(self, call: Call) -> None:
        """A call was made; `call.result` and `call.microseconds` are set."""

    def sends(self, mark: str) -> None:
        """A message to another process of minidock is about to be sent; no other message has this mark."""

    def receives(self, mark: str) -> None:
        """The message with this mark was received: all that its sender did before it has happened already."""

    def socket_lent(self) -> int | None:
        """A descriptor that another process can report to the same listener with; None if there is none."""
        return None

    def descriptors(self) -> list[int]:
        """The descriptors that must stay open, in this process and in those that are forked from it."""
        return []

    def pass_on(self) -> dict[str, str]:
        """Let the program that this process is about to execute inherit what is needed to be observed too.

        Returns the environment variables that describe it (`recorder/observers.py`).
        """
        return {}

    def released(self) -> None:
        """The command has ended and this process goes on: close what belongs to the command (a terminal, a socket)."""

    def ended(self) -> None:
        """The command has ended, and this process is about to; a process that it has created may go on."""


observers: list[Observer] = []
who = "command"  # the role of this process: "command", "monitor", "container", "exec", ...


class _Steps(_local):
    """The titles of the steps that this thread is in, innermost last; `apart`: nanoseconds that count for no step."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.apart = 0


_steps = _Steps()
_main = _steps.titles  # a thread that is in no step of its own belongs to the main thread's


class step:
    """`with step("title", book="3.1"):` around the calls that belong together.

    An exception that leaves it is marked with the innermost step's title (`failed_step` reads it), observed or not, so
    that an error deep in the set-up of a container says where it occurred.
    """

    __slots__ = ("book", "started", "title")

    def __init__(self, title: str, book: str = "") -> None:
        self.title = title
        self.book = book

    def __enter__(self) -> None:
        _steps.titles.append(self.title)
        if observers:
            try:
                _tell("begins", Step(self.title, self.book))
            except BaseException:
                _steps.titles.pop()
                raise
            self.started = _clock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _steps.titles.pop()
        if error is not None and not hasattr(error, "__notes__"):
            error.add_note(self.title)
        if observers:
            _tell("ends", Step(self.title, self.book, (_clock() - self.started) // 1000))


def _clock() -> int:
    """Nanoseconds on a clock of this thread, which stands still inside `untimed`."""
    return time.perf_counter_ns() - _steps.apart


@contextmanager
def untimed() -> Iterator[None]:
    """The time inside the `with` block counts for no step."""
    began = time.perf_counter_ns()
    before = _steps.apart
    try:
        yield
    finally:
        _steps.apart = before + time.perf_counter_ns() - began


def _tell(method: str, event: Any) -> None:
    with untimed():
        for observer in tuple(observers):
            getattr(observer, method)(event)


def failed_step(error: BaseException) -> str:
    """The title of the innermost step that `error` was raised in, or ''."""
    notes: list[str] = getattr(error, "__notes__", [])
    return notes[0] if notes else ""


def announced(
    name: str, arguments: tuple[Any, ...], function: Callable[[], R], keywords: tuple[tuple[str, Any], ...] = ()
) -> R:
    """Call `function`, and tell observers that it is the kernel call `name` with `arguments`."""
    if not observers:
        return function()
    call = Call(name, arguments, _step(), keywords=keywords)
    _tell("before", call)
    started = time.perf_counter_ns()
    result: Any
    try:
        return (result := function())
    except OSError as error:
        result = error
        raise
    finally:
        took = (time.perf_counter_ns() - started) // 1000
        _tell("after", call._replace(result=result, microseconds=took))


def report_call(name: str, arguments: tuple[Any, ...], result: Any, pid: int = 0) -> None:
    """Report a call to observers that was made by process `pid`, where it could not be announced."""
    _tell("after", Call(name, arguments, _step(), result, pid=pid))


def observed(name: str, function: Callable[P, R], *first: Any) -> Callable[P, R]:
    """`function` (of `os`, `socket`, ...) under its kernel name, announced like our own wrappers.

    `first`: arguments that the kernel gets from the function itself, such as the operation of prctl(2).
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not observers:
            return function(*args, **kwargs)
        return announced(name, (*first, *args), lambda: function(*args, **kwargs), tuple(kwargs.items()))

    call.__name__ = name
    call.__doc__ = f"{name}(2), through `{function.__module__}.{function.__name__}`."
    return call


def sending() -> str:
    """Tell observers that a message is about to be sent; returns the mark to send with it, '' for none."""
    if not observers:
        return ""
    mark = f"{who}-{os.getpid()}-{time.monotonic_ns()}"
    _tell("sends", mark)
    return mark


def received(mark: str) -> None:
    """Tell observers that the message with this mark was received."""
    if observers:
        _tell("receives", mark)


def sockets_lent() -> list[int]:
    """The descriptors to send to another process, so that it is observed too."""
    return [socket_lent for observer in observers if (socket_lent := observer.socket_lent()) is not None]


def release() -> None:
    """Tell observers that the command which this process worked for has ended, and that the process goes on."""
    for observer in list(observers):
        observer.released()


def end() -> None:
    """Tell observers that the command has ended, and that this process is about to."""
    for observer in list(observers):
        observer.ended()


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Have `observer` observe what happens inside the `with` block."""
    observers.append(observer)
    try:
        yield
    finally:
        observers.remove(observer)


def _step() -> str:
    titles = _steps.titles or _main
    return titles[-1] if titles else ""


def _shown(argument: Any) -> str:
    """An argument as in a trace: long bytes and texts are cut."""
    text = repr(argument)
    return text if len(text) <= 160 else f"{text[:150]}...{len(text)}"
