"""The order in which events are written: causes before their effects, and the same order in every run.

Several processes work at the same time, and their events arrive in an order that differs from run to run. Some events
of one process happen after some of another in any case:

    a process begins after the clone that creates it
    what follows a received message comes after what its sender did before (`observe.sending`, by the message's mark)

`Grouped` passes the command's events on as they come, and those of another process when something depends on them: when
the command receives a message, or a container's process executes its program, all events before that are passed on,
process by process; the others come at the end. So the order depends on the program alone. `AfterClone` changes the
order of arrival as little as possible: it is for `--explain=step`, where processes wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from minidock.explain.trace.blocks import Event, call_of

PROGRAMS = ("container", "exec")  # processes that execute a program of the container, which may have the terminal
_CLONES = ("fork", "clone", "clone3")


class Order(Protocol):
    """Takes events as they arrive, and passes them on in the order in which they are to be written."""

    def take(self, event: Event) -> Iterator[Event]:
        """The events that can be passed on now that `event` has arrived."""

    def awaits_clone(self, pid: int) -> bool:
        """Whether events of the process wait until its clone has been passed on."""

    def remaining(self) -> Iterator[Event]:
        """All events that still wait: those that they wait for will not arrive."""


class _KnownProcesses:
    """The command, processes whose clone is complete, and monitors that existed before the command.

    A clone is complete with the end of the step that it belongs to.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._children: dict[int, list[int]] = {}  # by parent: those cloned in the step that it is in

    def note(self, event: Event) -> list[int]:
        """Add the processes whose clone is complete with this event, and return them."""
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
    """The pid of the process that the event's call has cloned; 0 if it is no such call."""
    if event.what != "call" or event.content[0] not in _CLONES:
        return 0
    call = call_of(event)
    return 0 if call.failed else call.result


class Grouped:
    """Passes events on process by process, each up to where an event of another has to come first."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Event]] = {}  # by pid, in the order in which they happened
        self._parents: dict[int, int] = {}  # by child, whose clone has arrived and still waits
        self._senders: dict[str, int] = {}  # by mark, of messages whose sending still waits
        self._processes = _KnownProcesses()
        self._executing_early: set[int] = set()  # pids in execve whose clone still waits
        self._command = 0  # the pid of the first event
        self._forks = 0  # by the command: the first is that of the trace process
        self._is_busy = False  # the command works beside the process it has started

    def take(self, event: Event) -> Iterator[Event]:
        self._command = self._command or event.pid
        if child := child_of(event):
            self._parents[child] = event.pid
            self._forks += event.pid == self._command
        if event.what == "sent":
            self._senders[event.content[0]] = event.pid
        self._waiting.setdefault(event.pid, deque()).append(event)
        made = self._processes.note(event)
        if self._is_due(event):
            if event.pid in self._processes:
                yield from self._pass_on(event.pid)
            else:
                self._executing_early.add(event.pid)
        for child in self._executing_early.intersection(made):
            self._executing_early.remove(child)
            yield from self._pass_on(child)

    def awaits_clone(self, pid: int) -> bool:
        return pid in self._executing_early

    def remaining(self) -> Iterator[Event]:
        self._executing_early.clear()
        for pid in [self._command, *self._waiting]:
            yield from self._pass_on(pid)

    def _is_due(self, event: Event) -> bool:
        """Whether this event and all before it are to be passed on now."""
        if event.what in ("execve", "executed") and event.who in PROGRAMS:
            self._is_busy = False
            return True
        if event.pid != self._command:
            return False
        if event.what == "sent":
            self._is_busy = self._forks > 1
        elif event.what == "received":
            self._is_busy = False
        return not self._is_busy

    def _pass_on(self, pid: int, *, until: str | int | None = None) -> Iterator[Event]:
        """The waiting events of process `pid`, up to `until`: a message that it sent, or a process that it cloned."""
        if parent := self._parents.pop(pid, 0):
            yield from self._pass_on(parent, until=pid)
        waiting, is_reached = self._waiting.get(pid, deque()), False
        while waiting:
            event = waiting.popleft()
            if event.what == "received" and (sender := self._senders.get(event.content[0])):
                yield from self._pass_on(sender, until=event.content[0])
            if event.what == "sent":
                self._senders.pop(event.content[0])
                is_reached |= event.content[0] == until
            is_reached |= child_of(event) == until
            yield event
            if is_reached and event.what in ("sent", "ends"):  # a clone is passed on with all of its step
                return


class AfterClone:
    """Passes events on as they arrive; those of a process whose clone is not complete wait for that."""

    def __init__(self) -> None:
        self._processes = _KnownProcesses()
        self._waiting: dict[int, list[Event]] = {}

    def take(self, event: Event) -> Iterator[Event]:
        made = self._processes.note(event)
        if event.pid in self._processes:
            yield event
        else:
            self._waiting.setdefault(event.pid, []).append(event)
        for child in made:
            yield from self._waiting.pop(child, [])

    def awaits_clone(self, pid: int) -> bool:
        return pid in self._waiting

    def remaining(self) -> Iterator[Event]:
        for pid in list(self._waiting):
            yield from self._waiting.pop(pid)
