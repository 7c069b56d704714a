"""What the tests marked cgroup rely on, shown on the bare kernel: when one of them fails, look here first."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Process

pytestmark = pytest.mark.cgroup


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Path]:
    """A cgroup with every controller, below the root of the tree."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = Path(next(mount[1] for mount in mounts if mount[2] == "cgroup2"))
    (root / "cgroup.subtree_control").write_text("+cpu +io +memory +pids")
    group = root / tmp_path.name
    group.mkdir()
    yield group
    (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 30
    while counters(group / "cgroup.events")["populated"] and time.monotonic() < deadline:
        time.sleep(0.01)
    group.rmdir()


def shell_in(group: Path, script: str) -> subprocess.CompletedProcess[str]:
    joined = f"echo 0 >{group}/cgroup.procs; {script}"
    return subprocess.run(["sh", "-c", joined], capture_output=True, text=True, timeout=60, check=False)


def counters(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, file.read_text().splitlines())}


def test_memory_max_kills(group: Path) -> None:
    (group / "memory.max").write_text("16M")
    (group / "memory.swap.max").write_text("0")
    # dd's one block is memory that it must hold at once.
    done = shell_in(group, "exec dd if=/dev/zero of=/dev/null bs=64M count=1")
    assert done.returncode == -signal.SIGKILL
    assert counters(group / "memory.events")["oom_kill"] == 1


def test_pids_max_refuses_a_fork(group: Path) -> None:
    (group / "pids.max").write_text("2")
    done = shell_in(group, "sleep 1 & sleep 1 & wait")
    assert "Cannot fork" in done.stderr
    assert counters(group / "pids.events")["max"] >= 1


def test_cpu_max_throttles(group: Path) -> None:
    (group / "cpu.max").write_text("10000 100000")
    shell_in(group, "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done")
    assert counters(group / "cpu.stat")["nr_throttled"] > 0


def test_io_max_takes_a_block_device(group: Path) -> None:
    device = next(disk for disk in Path("/sys/block").iterdir() if not disk.name.startswith(("loop", "ram")))
    number = (device / "dev").read_text().strip()
    (group / "io.max").write_text(f"{number} rbps=1048576")
    assert (group / "io.max").read_text() == f"{number} rbps=1048576 wbps=max riops=max wiops=max\n"


def test_freeze_and_kill(group: Path) -> None:
    script = f"echo 0 >{group}/cgroup.procs; echo in; exec sleep 60"
    with Process(["sh", "-c", script], stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"in\n"
        (group / "cgroup.freeze").write_text("1")
        (group / "cgroup.kill").write_text("1")
    assert one.returncode == -signal.SIGKILL
    assert counters(group / "cgroup.events")["populated"] == 0
