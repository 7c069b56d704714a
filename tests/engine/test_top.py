"""`minidock top` and `minidock stats`: what the host's ps and the kernel's counters say of a container."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable

import pytest

from minidock.explain.format_values import memory
from tests.engine.containers import Containers, cgroup2
from tests.support.command import Minidock

Ok = Callable[..., str]

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


def processes(containers: Containers) -> set[str]:
    """The pids of the only container, as its cgroup has them."""
    (record,) = containers.records()
    return set((cgroup2() / record["cgroup"].lstrip("/") / "cgroup.procs").read_text().split())


def test_top_is_the_host_s_ps(engine: Minidock, ok: Ok, containers: Containers) -> None:
    ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sh", "-c", "sleep 1001 & sleep 1002 & wait")
    header, *rows = ok("top", "one").splitlines()
    assert header.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert header.startswith("UID                 PID                 PPID                C   ")
    assert {row.split()[1] for row in rows} == processes(containers)
    assert sorted(row.split(maxsplit=7)[7] for row in rows) == [
        "sh -c sleep 1001 & sleep 1002 & wait", "sleep 1001", "sleep 1002",
    ]  # fmt: skip
    assert b"& wait\n" in engine("top", "one", env={"COLUMNS": "40"}).stdout
    assert ok("top", "one", "-o", "pid,args").splitlines()[0].split() == ["PID", "COMMAND"]
    assert ok("top", "one", "aux").splitlines()[0].split()[:3] == ["USER", "PID", "%CPU"]
    assert {row.split()[0] for row in ok("top", "one", "fx").splitlines()[1:]} == processes(containers)  # no -q with f


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nosuch"], "No such container: nosuch"),
        (["made"], "is not running"),
        (["up", "-o", "foo"], 'ps: error: unknown user-defined format specifier "foo"'),
        (["up", "-o", "comm"], "Couldn't find PID field in ps output"),
        (["up", "-o", "ppid=PID"], 'specifying "ppid=PID" is not allowed'),
    ],
)
def test_what_top_cannot_show(engine: Minidock, ok: Ok, words: list[str], why: str) -> None:
    ok("create", "--name", "made", "--network", "none", "alpine", "true")
    ok("run", "-d", "--name", "up", "--network", "none", "alpine", "sleep", "1000")
    done = engine("top", *words)
    assert done.returncode == 1
    assert why in done.stderr.decode()


def test_stats_count_what_the_kernel_counts(ok: Ok, engine: Minidock, containers: Containers) -> None:
    ok("run", "-d", "--name", "busy", "alpine", "sh", "-c", "sleep 1000 & while :; do :; done")
    ok("create", "--name", "made", "--network", "none", "alpine", "true")
    header, row = ok("stats", "--no-stream").splitlines()
    columns = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"]
    assert re.split(" {3,}", header) == columns
    cells = re.split(" {3,}", row)
    assert cells[1] == "busy"
    assert 0 < float(cells[2].removesuffix("%")) < 101
    assert re.fullmatch(r"[\d.]+k?B / [\d.]+k?B", cells[5])
    assert cells[7] == "2"
    rows = [json.loads(line) for line in ok("stats", "--no-stream", "-a", "--format", "json").splitlines()]
    assert sorted(rows[0]) == ["BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"]
    assert rows[0] == {"BlockIO": "0B / 0B", "CPUPerc": "0.00%", "Container": rows[0]["ID"], "ID": rows[0]["ID"],
                       "MemPerc": "0.00%", "MemUsage": "0B / 0B", "Name": "made", "NetIO": "0B / 0B",
                       "PIDs": "0"}  # fmt: skip
    assert ok("stats", "--no-stream", "--format", "{{.Container}} {{.Name}}", "busy") == "busy busy\n"
    done = engine("stats", "--no-stream", "busy", "nosuch")
    assert (done.returncode, done.stderr) == (1, b"minidock: No such container: nosuch\n")


def test_stats_go_on_until_interrupted(ok: Ok, engine: Minidock) -> None:
    ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
    with engine.start("stats", "--format", "{{.Name}} {{.PIDs}}", stdout=subprocess.PIPE) as watcher:
        assert watcher.stdout.readline() == b"\x1b[Hone 1\x1b[K\n"
        assert watcher.stdout.readline() == b"\x1b[J\x1b[Hone 1\x1b[K\n"
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(20) == 130


@pytest.mark.skipif(
    "memory" in (cgroup2() / "cgroup.controllers").read_text().split(), reason="this kernel counts memory"
)
def test_what_is_not_counted_is_not_guessed(ok: Ok) -> None:
    ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
    assert ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.MemPerc}} {{.BlockIO}}") == "-- -- --\n"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (25276502016, "23.54GiB"), (335872, "328KiB"), (1 << 50, "1PiB")],
)
def test_binary_sizes(count: int, shown: str) -> None:
    assert memory(count) == shown
