"""In which order events are told: causes before their effects, and the same order in every run.

Several processes work at the same time, and their events arrive as the processors happen to be free. Some of what one
process does comes after something of another's, whoever is quicker:

    a process begins after the clone that makes it
    what follows a received message comes after what its sender did before (`observe.sending`, by the message's mark)

`Grouped` tells the command's events as they come, and those of any other process when something follows from them: when
the command receives a message, or when a container's process becomes its program, all that led to it is told, process
by process. The rest is told at the end. So the order follows from the program alone. `AfterClone` changes as little as
possible: it is for a listener for whom processes wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from minidock.explain.trace.blocks import Event, call_of

PROGRAMS = ("container", "exec")  # processes that become a program of the container's, which may have the terminal
_CLONES = ("fork", "clone", "clone3")


class Order(Protocol):
    """Takes events as they arrive, gives them as they are told."""

    def take(self, event: Event) -> Iterator[Event]:
        """The events that can be told now that `event` has arrived."""

    def is_unborn(self, pid: int) -> bool:
        """Whether a process has told something, and its making has not been told to the end."""

    def rest(self) -> Iterator[Event]:
        """All others: no more will arrive, or what is missing will not."""


class _Births:
    """The processes that may be told of: the command, those whose making is over, and monitors that were there before.

    A making is over with the step that it belongs to.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._children: dict[int, list[int]] = {}  # of each process, made in the step that it is in

    def note(self, event: Event) -> list[int]:
        """The children that are made with this event."""
        if not self._known or event.what == "joined":
            self._known.add(event.pid)
        if child := child_of(event):
            self._children.setdefault(event.pid, []).append(child)
        made = self._children.pop(event.pid, []) if event.what in ("begins", "ends") else []
        self._known.update(made)
        return made

    def __contains__(self, pid: int) -> bool:
        return pid in self._known


def child_of(event: Event) -> int:
    """The process that the call has made, if the event tells of such a call; or 0."""
    if event.what != "call" or event.content[0] not in _CLONES:
        return 0
    call = call_of(event)
    return 0 if call.failed else call.result


class Grouped:
    """Process by process, each up to where another has to come first."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Event]] = {}  # by process, in the order of what happened
        self._makers: dict[int, int] = {}  # of a process whose clone has arrived and is not told yet
        self._senders: dict[str, int] = {}  # of a message whose sending has arrived and is not told yet
        self._births = _Births()
        self._unborn: set[int] = set()  # that have become a program already
        self._command = 0  # the process that tells first
        self._forks = 0  # of the command's: the first is the narrator's own
        self._is_busy = False  # the command has handed its work over, and does something else meanwhile

    def take(self, event: Event) -> Iterator[Event]:
        self._command = self._command or event.pid
        if child := child_of(event):
            self._makers[child] = event.pid
            self._forks += event.pid == self._command
        if event.what == "sent":
            self._senders[event.content[0]] = event.pid
        self._waiting.setdefault(event.pid, deque()).append(event)
        made = self._births.note(event)
        if self._leads_on(event):
            if event.pid in self._births:
                yield from self._tell(event.pid)
            else:
                self._unborn.add(event.pid)
        for child in self._unborn.intersection(made):
            self._unborn.remove(child)
            yield from self._tell(child)

    def is_unborn(self, pid: int) -> bool:
        return pid in self._unborn

    def rest(self) -> Iterator[Event]:
        self._unborn.clear()
        for pid in [self._command, *self._waiting]:
            yield from self._tell(pid)

    def _leads_on(self, event: Event) -> bool:
        """Whether all that led to this event is to be told now."""
        if event.what in ("execve", "became") and event.who in PROGRAMS:
            self._is_busy = False
            return True
        if event.pid != self._command:
            return False
        if event.what == "sent":
            self._is_busy = self._forks > 1
        elif event.what == "received":
            self._is_busy = False
        return not self._is_busy

    def _tell(self, pid: int, *, until: str | int | None = None) -> Iterator[Event]:
        """What waits of process `pid`, up to the message that it has sent or the process that it has made."""
        if maker := self._makers.pop(pid, 0):
            yield from self._tell(maker, until=pid)
        waiting, is_reached = self._waiting.get(pid, deque()), False
        while waiting:
            event = waiting.popleft()
            if event.what == "received" and (sender := self._senders.get(event.content[0])):
                yield from self._tell(sender, until=event.content[0])
            if event.what == "sent":
                self._senders.pop(event.content[0])
                is_reached |= event.content[0] == until
            is_reached |= child_of(event) == until
            yield event
            if is_reached and event.what in ("sent", "ends"):  # a clone is told with all of its step
                return


class AfterClone:
    """As they arrive; but a process whose making is not over yet waits for that."""

    def __init__(self) -> None:
        self._births = _Births()
        self._waiting: dict[int, list[Event]] = {}

    def take(self, event: Event) -> Iterator[Event]:
        made = self._births.note(event)
        if event.pid in self._births:
            yield event
        else:
            self._waiting.setdefault(event.pid, []).append(event)
        for child in made:
            yield from self._waiting.pop(child, [])

    def is_unborn(self, pid: int) -> bool:
        return pid in self._waiting

    def rest(self) -> Iterator[Event]:
        for pid in list(self._waiting):
            yield from self._waiting.pop(pid)
