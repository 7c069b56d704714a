"""A machine on which a process hardly gets its turn: what ends a container takes its time, and does not fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_idle import is_small
from tests.engine.test_life import background
from tests.support.command import Minidock

CPU = Path("/sys/fs/cgroup/cpu")  # of cgroup v1, beside v2, as some hosts have it

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("no_containers_afterwards"),
    pytest.mark.skipif(not (CPU / "cpu.cfs_quota_us").exists(), reason="no cpu controller of cgroup v1 here"),
]


@pytest.fixture
def starved() -> Iterator[Callable[[int], None]]:
    """Gives a process one two-hundredth of a processor."""
    group = CPU / f"minidock-test-{os.getpid()}"
    group.mkdir()
    (group / "cpu.cfs_period_us").write_text("200000")
    (group / "cpu.cfs_quota_us").write_text("1000")

    def starve(pid: int) -> None:
        (group / "cgroup.procs").write_text(str(pid))

    yield starve
    (group / "cpu.cfs_quota_us").write_text("-1")
    eventually(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


@pytest.mark.parametrize("command", ["rm -f starved", "kill starved"])
def test_a_starved_monitor_is_waited_for(
    engine: Minidock,
    ok: Callable[..., str],
    containers: Containers,
    starved: Callable[[int], None],
    command: str,
) -> None:
    """What takes it 0.08 seconds takes 15: it has to load itself and to undo the container."""
    record = background(ok, containers, "echo up; exec sleep 1000", "--name", "starved")
    eventually(lambda: is_small(record["state"]["monitor"]))
    starved(record["state"]["monitor"])
    began = time.monotonic()
    done = engine(*command.split(), timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"starved\n", b"")
    assert time.monotonic() - began > 5, "nothing was starved"


def test_a_starved_monitor_has_time_to_start_a_resolver(
    engine: Minidock, ok: Callable[..., str], containers: Containers, starved: Callable[[int], None]
) -> None:
    ok("network", "create", "starving")
    try:
        ok("run", "-d", "--name", "starved", "alpine", "sleep", "1000")
        (record,) = containers.running()
        eventually(lambda: is_small(record["state"]["monitor"]))
        starved(record["state"]["monitor"])
        done = engine("network", "connect", "starving", "starved", timeout=200)
        assert (done.returncode, done.stderr) == (0, b"")
        assert ok("exec", "starved", "nslookup", "starved")
    finally:
        engine("rm", "-f", "starved", timeout=200)
        ok("network", "rm", "starving")


def test_a_monitor_that_hangs_is_not_waited_for_for_ever(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    record = background(ok, containers, "echo up; exec sleep 1000", "--name", "hung")
    os.kill(record["state"]["monitor"], signal.SIGSTOP)
    done = engine("rm", "-f", "hung")
    os.kill(record["state"]["monitor"], signal.SIGCONT)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("minidock: the monitor of container ")
    assert engine("rm", "-f", "hung").returncode == 0
