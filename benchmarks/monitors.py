"""What stays in memory beside idle containers: minidock's monitors, podman's conmon, docker's shims and daemons.

Proportional set size (proc(5), smaps_rollup): what a process has for itself, and its share of what it shares. So the
sum over all processes is what would be free without them. A container's parent process is the one that looks after it,
in all of these engines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

from benchmarks.peers import Candidate, candidates, run
from minidock.cli.format.listing import table

_SETTLED = 3.0  # seconds: a monitor makes itself small when it had nothing to do for one
_DAEMONS = ("dockerd", "containerd")


def measure(count: int) -> None:
    """Print the memory beside 1 and beside `count` containers."""
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    rows = [("", "CONTAINERS", "EACH kB", "DAEMONS kB", "SUM kB")]
    with candidates(minidock) as found:
        for candidate in found:
            if candidate.network or candidate.name in ("runc", "crun"):  # nobody stays beside those two
                continue
            for number in (1, count):
                rows.append(_row(candidate, number))
    print(table(rows))


def _row(candidate: Candidate, count: int) -> tuple[str, ...]:
    at = candidate.command.index("run")
    base, options = candidate.command[:at], [word for word in candidate.command[at + 1 : -1] if word != "--rm"]
    ids = [run([*base, "run", "-d", *options, "sleep", "1000"]).strip() for _ in range(count)]
    try:
        time.sleep(_SETTLED)
        pids = [int(run([*base, "inspect", "-f", "{{.State.Pid}}", name])) for name in ids]
        monitors = _memory({_parent(pid) for pid in pids})
        daemons = _memory(_daemons() if candidate.name == "docker" else [])
    finally:
        run([*base, "rm", "-f", *ids])
    return candidate.name, str(count), f"{monitors / count:.0f}", str(daemons or ""), str(monitors + daemons)


def _memory(pids: Iterable[int]) -> int:
    """The proportional set size of processes together, in kB."""
    return sum(int(_field(f"/proc/{pid}/smaps_rollup", "Pss:")) for pid in pids)


def _parent(pid: int) -> int:
    return int(_field(f"/proc/{pid}/status", "PPid:"))


def _field(path: str, name: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as lines:
        return next(line.split()[1] for line in lines if line.startswith(name))


def _daemons() -> Iterator[int]:
    """docker's own two processes, those that this benchmark has started (`peers.docker_daemon`)."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                words = file.read().split("\0")
        except OSError:
            continue
        if os.path.basename(words[0]) in _DAEMONS and "/minidock-bench-" in " ".join(words):
            yield int(name)
