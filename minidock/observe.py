"""Steps and observers: how the code explains, measures and breaks itself.

Work on the kernel is done inside named steps, and every kernel call is announced from inside the step it belongs to:

    with step("a hostname of its own", book="3.1"):
        syscalls.sethostname("web")

With nobody observing, a step costs one append and a call one truth test. Whoever wants to know adds an `Observer`:
an explanation prints what it is told, a benchmark adds up microseconds, a fault test raises in `before`. None of
them can drift from the code, because there is no second description of what the code does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Call(NamedTuple):
    """One call into the kernel, seen from where it was made.

    `result` is what the call returned, or the `OSError` it raised; None before the call.
    """

    name: str
    arguments: tuple[Any, ...]
    step: str
    result: Any = None
    microseconds: int = 0

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(_shown, self.arguments))})"


class Step(NamedTuple):
    """A named group of calls; `book` is the section of the book that it belongs to, or ''."""

    title: str
    book: str
    microseconds: int = 0


class Observer:
    """Told about everything in the order in which it happens. Override what is of interest.

    An `OSError` raised in `before` takes the place of the call: that is how faults are injected. The first process of
    a container is a clone of its creator: what happens there is told to the observer in the creator, or, if
    `in_every_process` is set, to the clone of the observer on the spot.
    """

    in_every_process = False

    def begins(self, step: Step) -> None:
        """A step starts."""

    def ends(self, step: Step) -> None:
        """A step is over; `step.microseconds` says how long it took."""

    def before(self, call: Call) -> None:
        """A call is about to be made."""

    def after(self, call: Call) -> None:
        """A call was made; `call.result` and `call.microseconds` are set."""


observers: list[Observer] = []
_steps: list[str] = []


class step:
    """`with step("title", book="3.1"):` around the calls that belong together.

    An exception on its way out is marked with the innermost step's title (`failed_step` reads it), observed or not,
    so that a failure deep in the set-up of a container always says where it was.
    """

    __slots__ = ("book", "started", "title")

    def __init__(self, title: str, book: str = "") -> None:
        self.title = title
        self.book = book

    def __enter__(self) -> None:
        _steps.append(self.title)
        if observers:
            self.started = time.perf_counter_ns()
            for observer in observers:
                observer.begins(Step(self.title, self.book))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _steps.pop()
        if error is not None and not hasattr(error, "__notes__"):
            error.add_note(self.title)
        if observers:
            took = (time.perf_counter_ns() - self.started) // 1000
            for observer in observers:
                observer.ends(Step(self.title, self.book, took))


def failed_step(error: BaseException) -> str:
    """The title of the innermost step that `error` came out of, or ''."""
    notes: list[str] = getattr(error, "__notes__", [])
    return notes[0] if notes else ""


def announced(name: str, arguments: tuple[Any, ...], function: Callable[[], R]) -> R:
    """Call `function`, telling the observers that kernel call `name` is made with `arguments`."""
    if not observers:
        return function()
    where = _steps[-1] if _steps else ""
    for observer in observers:
        observer.before(Call(name, arguments, where))
    started = time.perf_counter_ns()
    result: Any
    try:
        return (result := function())
    except OSError as error:
        result = error
        raise
    finally:
        took = (time.perf_counter_ns() - started) // 1000
        for observer in observers:
            observer.after(Call(name, arguments, where, result, took))


def observed(name: str, function: Callable[P, R]) -> Callable[P, R]:
    """`function` (from `os`, `socket`, ...) under its kernel name, announced like our own wrappers."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not observers:
            return function(*args, **kwargs)
        return announced(name, (*args, *kwargs.values()), lambda: function(*args, **kwargs))

    call.__name__ = name
    call.__doc__ = f"{name}(2), through `{function.__module__}.{function.__name__}`."
    return call


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Have `observer` told of everything that happens inside the `with` block."""
    observers.append(observer)
    try:
        yield
    finally:
        observers.remove(observer)


def _shown(argument: Any) -> str:
    """An argument as in a trace: long bytes and texts are cut."""
    text = repr(argument)
    return text if len(text) <= 160 else f"{text[:150]}...{len(text)}"
