"""Steps and calls beside an observer that takes its time."""

from __future__ import annotations

import time

from minidock import observe
from minidock.linux import syscalls
from minidock.observe import Call, Observer, Step

PAUSE = 0.05  # seconds


class Slow(Observer):
    """Waits at everything that it is told of, and remembers the times that it was told."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}
        self.calls: list[int] = []

    def begins(self, step: Step) -> None:
        time.sleep(PAUSE)

    def ends(self, step: Step) -> None:
        time.sleep(PAUSE)
        self.steps[step.title] = step.microseconds

    def before(self, call: Call) -> None:
        time.sleep(PAUSE)

    def after(self, call: Call) -> None:
        time.sleep(PAUSE)
        self.calls.append(call.microseconds)

    def sends(self, mark: str) -> None:
        time.sleep(PAUSE)

    def receives(self, mark: str) -> None:
        time.sleep(PAUSE)


def test_what_an_observer_takes_is_no_part_of_a_time() -> None:
    slow = Slow()
    with observe.observing(slow), observe.step("outer"):
        with observe.step("inner"):
            syscalls.umask(0o022)
            observe.received(observe.sending())
        observe.report_call("fork", (), 0)
    assert slow.steps.keys() == {"inner", "outer"}
    assert max([*slow.steps.values(), *slow.calls]) < PAUSE * 1_000_000


def test_waiting_for_another_process_is_no_part_of_a_time() -> None:
    slow = Slow()
    with observe.observing(slow), observe.step("waits"), observe.untimed():
        time.sleep(PAUSE)
    assert slow.steps["waits"] < PAUSE * 1_000_000
