"""What observing costs: `run --rm alpine true` with nobody observing, without the observers' code, and explained.

The first two are to be equal: an announced call costs one truth test when nobody observes, a step that and an append.
They are compared in turns within one run, with the medians of each; the noise of the machine is shown beside them, as
the difference between two halves of the same thing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable

from minidock.cli.format.listing import table

_WITHOUT = """\
import sys
from minidock import observe

def announced(name, arguments, function, keywords=()):
    return function()

def observed(name, function, *first):
    return function

class step:
    __slots__ = ()
    def __init__(self, title, book=""): pass
    def __enter__(self): pass
    def __exit__(self, *_): pass

observe.announced, observe.observed, observe.step = announced, observed, step
from minidock.cli.entry import main
main()
"""
_AS_IT_IS = "from minidock.cli.entry import main\nmain()\n"
_STYLES = ("full", "brief", "json", "shell")
Command = list[str]


def measure(rounds: int) -> None:
    """Print both tables: whole runs, and the single call and step."""
    for network in ("none", "bridge"):
        print(f"run --rm --network {network} alpine true")
        print(table([("", "MEDIAN ms", "MIN", "MAX", "AGAINST IDLE"), *_runs(network, rounds)]))
    print(table([("ONE, NOBODY OBSERVING", "NANOSECONDS"), *_single()]))


def _runs(network: str, rounds: int) -> list[tuple[str, ...]]:
    run = ["run", "--rm", "--network", network, "alpine", "true"]
    told = {f"--explain={style}": [sys.executable, "-c", _AS_IT_IS, run[0], f"--explain={style}", *run[1:]]
            for style in _STYLES}  # fmt: skip
    commands: dict[str, Command] = {
        "observers idle": [sys.executable, "-c", _AS_IT_IS, *run],
        "observers idle, again": [sys.executable, "-c", _AS_IT_IS, *run],
        "without observers": [sys.executable, "-c", _WITHOUT, *run],
        **told,
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryFile() as errors:
        for name, command in [*commands.items(), *(list(commands.items()) * rounds)]:
            started = time.perf_counter()
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, check=True)
            times[name].append((time.perf_counter() - started) * 1000)
    idle = statistics.median(times["observers idle"][1:])
    rows = []
    for name, values in times.items():
        median = statistics.median(values[1:])  # the first was to warm up
        rows.append((name, *(f"{value:.1f}" for value in (median, min(values[1:]), max(values[1:]))),
                     f"{median - idle:+.1f} ms"))  # fmt: skip
    return rows


def _single() -> list[tuple[str, ...]]:
    """A plain call, an announced one and a step; and what those of a whole run add up to, which no clock can show."""
    from minidock import observe

    def nothing() -> None:
        return

    wrapped = observe.observed("nothing", nothing)

    def in_a_step() -> None:
        with observe.step("a step"):
            pass

    def nanoseconds(function: Callable[[], None]) -> float:
        number = 200_000
        return min(timeit.repeat(function, number=number, repeat=5)) / number * 1e9

    plain, announced, step = map(nanoseconds, (nothing, wrapped, in_a_step))
    calls, steps = _in_a_run()
    rows = [
        ("function call", plain),
        ("announced call", announced),
        ("step", step),
        (f"run with the bridge: {calls} calls, {steps} steps", calls * (announced - plain) + steps * step),
    ]
    return [(name, f"{value:.0f}") for name, value in rows]


def _in_a_run() -> tuple[int, int]:
    """How many calls and steps there are in a run."""
    with tempfile.NamedTemporaryFile("r") as told:
        run = ["run", "--rm", f"--explain=json:{told.name}", "alpine", "true"]
        subprocess.run([sys.executable, "-c", _AS_IT_IS, *run], check=True)
        events = [json.loads(line)["event"] for line in told]
    return events.count("call"), events.count("begins")


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
