"""From the command to its end: `true` in Alpine, minidock beside the others, in turns within one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.peers import Candidate, candidates
from minidock.cli.format.listing import table

COMMAND = (
    "minidock.cli.entry, minidock.engine.monitor.spawn, minidock.cli.main, minidock.cli.flags.container_flags, "
    "minidock.cli.container.run, minidock.engine.monitor.attach_client, minidock.engine.container.create, "
    "minidock.engine.images.find_image"
)
MONITOR = "minidock.cli.entry, minidock.engine.monitor.spawn, minidock.engine.monitor.monitor"
NETWORK = "from minidock.network import connect_endpoints; connect_endpoints.import_ahead()"


def measure(rounds: int) -> None:
    """Print the three tables: everybody's times, our time by step, our imports' share."""
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    with candidates(minidock) as found:
        print(table([("", "NETWORK", "MEDIAN ms", "MIN", "MAX", "RATIO TO"), *_race(found, rounds)]))
    for network in ("none", "bridge"):
        print(f"minidock, time by step, --network {network} (medians of {rounds}; steps of two processes overlap)")
        print(table([("MS", "STEP", "BOOK"), *_steps(minidock, network, rounds)]))
    print(table([("MS", "START OF"), *_imports(rounds)]))


def _race(found: list[Candidate], rounds: int) -> list[tuple[str, ...]]:
    """Everybody once a round, so that a slow moment of the machine hits all alike."""
    times: dict[tuple[str, bool], list[float]] = {(c.name, c.network): [] for c in found}
    for candidate in [*found, *(found * rounds)]:
        started = time.perf_counter()
        subprocess.run(candidate.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        times[candidate.name, candidate.network].append((time.perf_counter() - started) * 1000)
    median = {key: statistics.median(values[1:]) for key, values in times.items()}  # the first was to warm up
    rows = []
    for (name, network), values in times.items():
        peer = ("docker", True) if network else ("runc", False)
        ratio = f"{median[name, network] / median[peer]:.2f} x {peer[0]}" if peer in median else ""
        rows.append((name, "bridge" if network else "none", f"{median[name, network]:.0f}", f"{min(values[1:]):.0f}",
                     f"{max(values[1:]):.0f}", ratio))  # fmt: skip
    return rows


def _steps(minidock: list[str], network: str, rounds: int) -> list[tuple[str, ...]]:
    """What the observers say: microseconds per step, in the order in which the steps end."""
    taken: dict[tuple[str, str], list[int]] = {}
    with tempfile.TemporaryDirectory() as directory:
        trace = os.path.join(directory, "trace")
        for _ in range(rounds):
            environment = {**os.environ, "MINIDOCK_OBSERVE_TRACE": trace}
            command = [*minidock, "run", "--rm", "--network", network, "alpine", "true"]
            subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL)
            with open(trace, encoding="utf-8") as file:
                for row in map(json.loads, file):
                    if row["what"] == "step":
                        taken.setdefault((row["title"], row["book"]), []).append(row["microseconds"])
            os.unlink(trace)
    return [(f"{statistics.median(values) / 1000:6.1f}", title, book) for (title, book), values in taken.items()]


def _imports(rounds: int) -> list[tuple[str, ...]]:
    """What is paid before the first line of ours does anything."""
    rows = []
    for title, code in (
        ("python alone", "pass"),
        ("and click, for what is unusual", "import click"),
        ("what the command imports", f"import {COMMAND}"),
        ("what the monitor imports at the same time", f"import {MONITOR}"),
        ("and, for a network, all of pyroute2: as it used to be", f"import {MONITOR}, pyroute2"),
        ("and, for a network, what writes rules: while the monitor waits", f"import {MONITOR}; {NETWORK}"),
    ):
        values = []
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            values.append((time.perf_counter() - started) * 1000)
        rows.append((f"{statistics.median(values):.0f}", title))
    return rows
