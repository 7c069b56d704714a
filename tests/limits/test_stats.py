"""What is counted and limited, as stats and inspect show it, where the kernel has the controllers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.limits.containers import eventually, running
from tests.support.command import Minidock

pytestmark = pytest.mark.cgroup
MIB = 1 << 20


def stats(minidock: Minidock, name: str) -> dict[str, str]:
    done = minidock("stats", "--no-stream", "--format", "json", name)
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def size(text: str) -> float:
    """The bytes in a size such as 1.5MiB."""
    number = text.rstrip("BiKMGT")
    return float(number) * 1024 ** " KMG".index(text[len(number)] if text[len(number)] != "B" else " ")


def test_memory_is_what_is_used_and_what_may_be(minidock: Minidock) -> None:
    hold = "dd if=/dev/zero of=/dev/shm/held bs=1M count=16 2>/dev/null"
    with running(minidock, "-m", "64m", script=hold) as container:
        found = stats(minidock, container.name)
        used, limit = map(size, found["MemUsage"].split(" / "))
        idle = container.counters("memory.stat")["inactive_file"]
        assert limit == 64 * MIB
        assert 16 * MIB <= used <= 64 * MIB
        assert abs(used - (int(container.read("memory.current")) - idle)) < 8 * MIB
        assert abs(float(found["MemPerc"].rstrip("%")) - used / limit * 100) < 0.1


def test_without_a_limit_it_is_the_machine_s(minidock: Minidock) -> None:
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        total = int(meminfo.readline().split()[1]) * 1024
    with running(minidock) as container:
        assert abs(size(stats(minidock, container.name)["MemUsage"].split(" / ")[1]) - total) < total / 100


def test_processes_and_processors(minidock: Minidock) -> None:
    with running(minidock, "--cpus", "0.5", script="sleep 1000 &", then="while :; do :; done") as container:
        found = stats(minidock, container.name)
        assert found["PIDs"] == container.read("pids.current") == "2"
        assert 10 < float(found["CPUPerc"].rstrip("%")) < 60


def told(minidock: Minidock, name: str) -> list[str]:
    """The events about what was killed for want of memory."""
    words = ("--since", "1h", "--until", "0s", "--filter", f"container={name}", "--filter", "event=oom")
    return minidock("events", *words, "--format", "{{.Action}}").stdout.decode().split()


def test_who_is_killed_for_want_of_memory_is_told_while_the_container_goes_on(minidock: Minidock) -> None:
    """Each time anew; by a monitor that has made itself small (monitor/idle.py) as well."""
    state = ("inspect", "-f", "{{.State.OOMKilled}} {{.State.Status}}", "hungry")
    flags = ("--name", "hungry", "--network", "none", "-m", "16m", "--memory-swap", "16m")
    assert minidock("run", "-d", *flags, "busybox", "sleep", "1000").returncode == 0
    try:
        assert minidock(*state).stdout == b"false running\n"
        (path,) = minidock.root.glob("containers/*/container.json")
        for count in (1, 2):
            monitor = Path("/proc", str(json.loads(path.read_text())["state"]["monitor"]), "cmdline")
            assert eventually(lambda monitor=monitor: b"/idle." in monitor.read_bytes())  # type: ignore[misc]
            assert minidock("exec", "hungry", "tail", "/dev/zero").returncode == 137
            assert eventually(lambda count=count: told(minidock, "hungry") == ["oom"] * count)  # type: ignore[misc]
            assert minidock(*state).stdout == b"true running\n"
        minidock("kill", "hungry")
        assert minidock(*state).stdout == b"true exited\n"
        assert told(minidock, "hungry") == ["oom", "oom"]
    finally:
        minidock("rm", "-f", "hungry")


def test_the_oom_killer_is_recorded(minidock: Minidock) -> None:
    words = ["--name", "greedy", "--network", "none", "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c"]
    done = minidock("run", *words, "exec tail /dev/zero")
    try:
        assert done.returncode == 137
        state = json.loads(minidock("inspect", "-f", "{{json .State}}", "greedy").stdout)
        assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
        assert told(minidock, "greedy") == ["oom"]
    finally:
        minidock("rm", "-f", "greedy")
