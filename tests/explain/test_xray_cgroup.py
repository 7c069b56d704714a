"""Limits and live use, where the kernel has the controllers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.explain.looking import running
from tests.support.command import Minidock

pytestmark = pytest.mark.cgroup
MIB = 1 << 20


def test_limits_and_use_are_those_of_the_files(minidock: Minidock) -> None:
    # 20 MiB of memory in a file, a loop that takes all the processor it gets, and one process more.
    script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; (while :; do :; done) & exec sleep 1000"
    words = ["--network", "none", "-m", "64m", "--cpus", "0.5", "--pids-limit", "20", "busybox", "sh", "-c", script]
    with running(minidock, "held", *words) as container:
        group = eventually(lambda: _throttled(container.xray()["running"]["cgroup"]), timeout=60)
        directory = Path(group["mount"] + group["path"])
        assert group["memory"]["limit"] == int((directory / "memory.max").read_text()) == 64 * MIB
        assert 20 * MIB < group["memory"]["current"] < 64 * MIB
        assert group["pids"] == {**group["pids"], "current": 2, "limit": 20, "refused": 0}
        assert group["cpu"]["limit"] == 0.5
        counters = dict(line.split() for line in (directory / "cpu.stat").read_text().splitlines())
        assert 0 < group["cpu"]["used"] <= int(counters["usage_usec"]) / 1e6
        assert 0 < group["cpu"]["throttled"] <= int(counters["throttled_usec"]) / 1e6
        assert not {"memory", "pids", "cpu", "io"} & set(group["missing"])
        text = minidock("xray", "held", env={"COLUMNS": "120", "LC_ALL": "C.UTF-8"}).stdout.decode()
        assert "of 64MiB" in text
        assert "2 of 20" in text
        assert "0.5 processors" in text


def _throttled(group: dict[str, dict[str, int]]) -> dict[str, dict[str, int]] | None:
    # The kernel adds up the time at the end of each wait: a period that is counted may have none yet.
    return group if group["cpu"]["throttled"] and group["memory"]["current"] > 20 * MIB else None


def test_a_kill_for_want_of_memory_is_counted(minidock: Minidock) -> None:
    script = "tail /dev/zero; exec sleep 1000"
    words = ["--network", "none", "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", script]
    with running(minidock, "starved", *words) as container:
        group = eventually(lambda: _starved(container.xray()["running"]["cgroup"]), timeout=60)
        assert group["memory"]["out_of_memory"] == 1
        events = (Path(group["mount"] + group["path"]) / "memory.events").read_text()
        assert "oom_kill 1" in events


def _starved(group: dict[str, dict[str, int]]) -> dict[str, dict[str, int]] | None:
    return group if group["memory"]["out_of_memory"] else None
