"""Blocks: the stream of events divided into pieces that are written one after the other.

Several processes work at the same time, and steps lie inside steps. A block is what one process did in one step without
another step in between. It is complete when its step ends, when a step inside it begins, or when the process executes
another program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minidock.named_tuple import NamedTuple


class Event(NamedTuple):
    """One packet from a `Recorder`, with the sender's pid as the kernel reports it. `content` depends on `what`."""

    pid: int
    thread: int
    who: str
    moment: int
    what: str
    content: tuple[Any, ...]


class CallMade(NamedTuple):
    """A system call under its kernel name, with arguments and result as text, and the arguments as values (`raw`)."""

    wrapper: str
    name: str
    arguments: list[str]
    answer: str
    number: int | None
    result: int
    microseconds: int
    step: str
    place: str
    raw: tuple[tuple[Any, ...], dict[str, Any]]
    pid: int
    who: str = ""

    @property
    def question(self) -> str:
        """The call without its result."""
        return f"{self.name}({', '.join(self.arguments)})"

    @property
    def failed(self) -> bool:
        """Whether the kernel refused."""
        return self.number is not None

    def argument(self, position: int, keyword: str = "", default: Any = None) -> Any:
        """The value of one argument, by position or keyword."""
        values, keywords = self.raw
        return keywords.get(keyword, values[position] if position < len(values) else default)


class Block(NamedTuple):
    """What process `pid` did in one step. `microseconds` is the whole step's time, if the step ended here.

    `again`: an earlier block belongs to the same step. `last`: the last call is an execve that succeeded.
    """

    pid: int
    who: str
    title: str
    book: str
    place: str
    calls: list[CallMade]
    microseconds: int | None
    again: bool
    last: bool


class _Open:
    """A step that a process is in, with the calls that no block has yet."""

    def __init__(self, title: str, book: str, place: str) -> None:
        self.title, self.book, self.place = title, book, place
        self.calls: list[CallMade] = []
        self.has_block = False


class BlockBuilder:
    """Makes blocks of events."""

    def __init__(self) -> None:
        self._steps: dict[tuple[int, int], list[_Open]] = {}

    def add(self, event: Event) -> Iterator[Block]:
        """The blocks that are complete with this event."""
        steps = self._steps.setdefault((event.pid, event.thread), [_Open("", "", "")])
        if event.what == "begins":
            yield from self._block(event, steps[-1])
            steps.append(_Open(*event.content))
        elif event.what == "ends":
            if len(steps) > 1:
                yield from self._block(event, steps[-1], event.content[1])
                steps.pop()
        elif event.what in ("call", "execve"):
            if len(steps) == 1:  # a thread in no step of its own works for what the main thread does
                steps = self._steps.get((event.pid, 0), steps)
            call = call_of(event)
            if len(steps) == 1 and call.step:  # a child continues the step in which it was cloned
                steps.append(_Open(call.step, "", call.place))
            steps[-1].calls.append(call)
            if event.what == "execve":
                yield from self._block(event, steps[-1], last=True)
        elif event.what == "executed":  # what the process does from here on is in none of the steps before
            self._steps[event.pid, event.thread] = [_Open("", "", "")]
        elif event.what == "released":
            for step in steps:
                yield from self._block(event, step)

    def remaining(self) -> Iterator[Block]:
        """The blocks that are not complete at the end: those of processes that were killed."""
        for (pid, thread), steps in self._steps.items():
            for step in steps:
                who = step.calls[0].who if step.calls else ""
                yield from self._block(Event(pid, thread, who, 0, "", ()), step)

    def _block(self, event: Event, step: _Open, took: int | None = None, *, last: bool = False) -> Iterator[Block]:
        if step.calls:
            yield Block(event.pid, event.who, step.title, step.book, step.place, step.calls, took, step.has_block, last)
            step.calls, step.has_block = [], bool(step.title)


def call_of(event: Event) -> CallMade:
    """The call that an event reports."""
    call = CallMade(*event.content)
    return call._replace(raw=(tuple(call.raw[0]), call.raw[1]), pid=call.pid or event.pid, who=event.who)
