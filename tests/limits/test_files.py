"""Every limit of `minidock run`, read back from the files of the cgroup that the kernel says the container is in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minidock.linux import cgroup_limits, systemd
from minidock.linux.cgroups import Cgroup
from tests.limits.conftest import Parent
from tests.limits.containers import Running, eventually, has_controller, running, tree
from tests.support.command import Minidock

pytestmark = pytest.mark.cgroup

M = 1 << 20

LOOK_AROUND = """
cat /proc/self/cgroup
cat /sys/fs/cgroup/memory.max
ls -d /sys/fs/cgroup/minidock* 2>&1 >/dev/null | head -n 1
mkdir /sys/fs/cgroup/mine 2>&1
echo max 2>&1 >/sys/fs/cgroup/memory.max
"""


def disk() -> tuple[str, str]:
    """A block device that is a whole disk: its path and "major:minor"."""
    names = sorted(path.name for path in Path("/sys/block").iterdir())
    name = next(name for name in names if not name.startswith(("loop", "ram", "zram")) and Path("/dev", name).exists())
    return f"/dev/{name}", Path("/sys/block", name, "dev").read_text().strip()


@pytest.fixture(scope="module")
def limited(minidock: Minidock, inner_parent: Parent) -> Iterator[Running]:
    """One container with every limit that any kernel with version 2 has."""
    device, _ = disk()
    flags = {
        "--memory": "64m", "--memory-reservation": "32m", "--memory-swap": "96m",
        "--cpus": "0.5", "--cpu-shares": "2048", "--pids-limit": "50",
        "--device-read-bps": f"{device}:1mb", "--device-write-bps": f"{device}:2mb",
        "--device-read-iops": f"{device}:100", "--device-write-iops": f"{device}:200",
        "--cgroup-parent": inner_parent.name,
    }  # fmt: skip
    with running(minidock, *(word for pair in flags.items() for word in pair), script=LOOK_AROUND) as container:
        yield container
    assert eventually(lambda: not container.place.exists())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("memory.max", str(64 * M)),
        ("memory.low", str(32 * M)),
        ("memory.swap.max", str(32 * M)),
        ("cpu.max", "50000 100000"),
        ("cpu.weight", "79"),
        ("pids.max", "50"),
        ("io.max", f"{disk()[1]} rbps={M} wbps={2 * M} riops=100 wiops=200"),
        ("cgroup.type", "domain"),
    ],
)
def test_a_limit_is_in_the_cgroups_file(limited: Running, file: str, text: str) -> None:
    if file == "memory.swap.max" and not (limited.cgroup / file).exists():
        pytest.skip("a kernel without swap")
    assert limited.read(file) == text


def test_the_parent_is_the_one_asked_for(limited: Running, inner_parent: Parent) -> None:
    assert limited.place.parent == inner_parent.path
    name = "minidock-[0-9a-f]{64}.scope" if systemd.owns_the_tree() else "[0-9a-f]{64}"
    assert re.fullmatch(name, limited.place.name)


def test_every_cgroup_above_hands_the_controllers_down_and_holds_nobody(limited: Running) -> None:
    for above in limited.cgroup.parents:
        if above == tree().parent:
            break
        assert {"cpu", "io", "memory", "pids"} <= set((above / "cgroup.subtree_control").read_text().split())
        assert above == tree() or (above / "cgroup.procs").read_text() == ""
    assert str(limited.pid) in limited.read("cgroup.procs").split()


def test_inside_it_is_the_root_and_read_only(limited: Running) -> None:
    own, memory, others, mkdir, write = limited.said
    assert own == "0::/"
    assert memory == str(64 * M)
    assert "No such file" in others
    assert "Read-only file system" in mkdir
    assert "Read-only file system" in write


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        ({"memory": {"limit": 64 * M, "swap": 64 * M}}, {"memory.max": str(64 * M), "memory.swap.max": "0"}),
        ({"memory": {"limit": 64 * M, "swap": -1}}, {"memory.max": str(64 * M), "memory.swap.max": "max"}),
        ({"memory": {"limit": 64 * M}}, {"memory.max": str(64 * M)}),
        ({"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}),
        ({"cpu": {"quota": -1, "period": 50_000}}, {"cpu.max": "max 50000"}),
        ({"cpu": {"shares": 2}}, {"cpu.weight": "1"}),
        ({"cpu": {"shares": 262144}}, {"cpu.weight": "10000"}),
        ({"cpu": {"quota": 50_000, "burst": 10_000}}, {"cpu.max.burst": "10000"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"unified": {"memory.high": "1048576"}}, {"memory.high": "1048576"}),
    ],
)
def test_what_a_bundle_can_ask_for(cgroup: Cgroup, resources: dict[str, Any], files: dict[str, str]) -> None:
    cgroup_limits.apply(cgroup, resources)
    there = {name for name in files if Path(cgroup.path, name).exists()}
    assert set(files) - there <= {"memory.swap.max"}
    assert {name: cgroup.read(name) for name in there} == {name: files[name] for name in there}


def test_a_limit_can_be_changed_and_lifted(cgroup: Cgroup) -> None:
    _, number = disk()
    major, minor = map(int, number.split(":"))
    device = {"major": major, "minor": minor}
    cgroup_limits.apply(cgroup, {"memory": {"limit": 64 * M, "swap": 96 * M}, "pids": {"limit": 5},
                          "blockIO": {"throttleReadBpsDevice": [device | {"rate": M}],
                                      "throttleWriteIOPSDevice": [device | {"rate": 7}]}})  # fmt: skip
    assert cgroup.read("io.max") == f"{number} rbps={M} wbps=max riops=max wiops=7"
    cgroup_limits.apply(cgroup, {"memory": {"limit": 128 * M, "swap": -1}, "pids": {"limit": -1},
                          "blockIO": {"throttleReadBpsDevice": [device | {"rate": 0}]}})  # fmt: skip
    assert cgroup.read("memory.max") == str(128 * M)
    assert cgroup.read("pids.max") == "max"
    assert cgroup.read("io.max") == f"{number} rbps=max wbps=max riops=max wiops=7"


def test_block_weight(minidock: Minidock) -> None:
    """BFQ's file, or that of the cost model, or neither: then it is said."""
    subprocess.run(["modprobe", "-q", "bfq"], check=False)
    any_cgroup = next(path for path in tree().iterdir() if path.is_dir())
    if not list(any_cgroup.glob("io*weight")):
        refused = minidock("run", "--rm", "--network", "none", "--blkio-weight", "500", "busybox", "true")
        assert (refused.returncode, refused.stdout) == (125, b"")
        assert refused.stderr == b"minidock: this kernel has no io.weight: the limit cannot be enforced\n"
        return
    with running(minidock, "--blkio-weight", "500") as container:
        if (container.cgroup / "io.bfq.weight").exists():
            assert container.read("io.bfq.weight").split() == ["default", "500"]
        else:
            assert container.read("io.weight").split() == ["default", "4950"]


def test_cpu_quota_in_a_period_of_its_own(minidock: Minidock) -> None:
    with running(minidock, "--cpu-period", "50000", "--cpu-quota", "20000") as container:
        assert container.read("cpu.max") == "20000 50000"


def test_cpuset(minidock: Minidock) -> None:
    flags = ["--cpuset-cpus", "0", "--cpuset-mems", "0"]
    if not has_controller("cpuset"):
        refused = minidock("run", "--rm", "--network", "none", *flags, "busybox", "true")
        assert (refused.returncode, refused.stdout) == (125, b"")
        assert b"no cpuset controller" in refused.stderr
        return
    with running(minidock, *flags, script="grep Cpus_allowed_list /proc/self/status") as container:
        assert (container.read("cpuset.cpus"), container.read("cpuset.mems")) == ("0", "0")
        assert container.said == ["Cpus_allowed_list:\t0"]
