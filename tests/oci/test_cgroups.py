"""What cgroups count and limit, by the command line of engines; on hosts of either version."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from minidock.linux import cgroups, cgroups_v1
from tests.oci.conftest import Oci
from tests.oci.test_lifecycle import eventually


def _has_memory() -> bool:
    top = cgroups.hierarchy()
    second = (Path(top) / "cgroup.controllers").read_text().split() if top else []
    return "memory" in cgroups_v1.hierarchies() or "memory" in second


needs_memory = pytest.mark.skipif(not _has_memory(), reason="this kernel has no memory controller")


@needs_memory
def test_counters(oci: Oci) -> None:
    oci.configure("sleep", "1000")
    assert oci.run("one", "-d").returncode == 0
    told = json.loads(oci.ok("events", "--stats", "one"))
    assert (told["type"], told["id"]) == ("stats", "one")
    data = told["data"]
    assert data["memory"]["usage"]["usage"] > 0
    assert data["memory"]["raw"]
    assert data["cpu"]["usage"]["total"] > 0
    assert data["pids"]["current"] == 1


@needs_memory
def test_a_process_killed_for_memory_is_told(oci: Oci, tmp_path: Path) -> None:
    oci.configure("sleep", "1000", linux={"resources": {"memory": {"limit": 16 << 20, "swap": 16 << 20}}})
    assert oci.run("one", "-d").returncode == 0
    told = tmp_path / "told"
    with told.open("w") as out:
        words = [*oci.program, "--root", str(oci.root), "events", "--interval", "1h", "one"]
        events = subprocess.Popen(words, stdout=out)
    looked = f"/proc/{events.pid}/wchan"
    eventually(lambda: os.path.exists(looked) and b"events" in Path(f"/proc/{events.pid}/cmdline").read_bytes())
    assert oci("exec", "one", "busybox", "tail", "/dev/zero").returncode == 137
    eventually(lambda: '{"type":"oom","id":"one"}' in told.read_text() or _again(oci))
    oci.ok("delete", "--force", "one")
    assert events.wait(60) == 0


def _again(oci: Oci) -> bool:
    """Once more: the first may have been killed before `events` had begun to count."""
    oci("exec", "one", "busybox", "tail", "/dev/zero")
    return False


def test_a_frozen_cgroup_is_refused(oci: Oci) -> None:
    top = cgroups.hierarchy()
    assert top
    oci.configure("true", linux={"cgroupsPath": f"/oci-test-{os.getpid()}-one"})
    cgroup = Path(f"{top}/oci-test-{os.getpid()}-one")
    cgroup.mkdir()
    try:
        (cgroup / "cgroup.freeze").write_text("1")
        done = oci.run("one")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "container's cgroup unexpectedly frozen" in done.stderr
        assert cgroup.exists()
    finally:
        cgroup.rmdir()
    assert oci.run("one").returncode == 0


@pytest.mark.skipif("memory" not in cgroups_v1.hierarchies(), reason="this host has its controllers in version 2")
def test_unified_needs_version_2(oci: Oci) -> None:
    oci.configure("true", linux={"resources": {"unified": {"memory.min": "131072"}}})
    done = oci.run("one")
    assert (done.returncode, "invalid configuration" in done.stderr, done.stderr.count("\n")) == (1, True, 1)


def test_a_cgroup_in_use_is_left_alone(oci: Oci) -> None:
    oci.configure("sleep", "1000", linux={"cgroupsPath": f"/oci-test-{os.getpid()}-one"})
    assert oci.run("one", "-d").returncode == 0
    done = oci("run", "-d", "--bundle", str(oci.bundle), "two")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "container's cgroup is not empty" in done.stderr
    assert oci.state("one")["status"] == "running"
    assert [path.name for path in oci.root.iterdir()] == ["one"]


@needs_memory
def test_a_limit_for_memory_is_lifted(oci: Oci) -> None:
    """With it goes the one for memory and swap, which would still be a limit for memory."""
    oci.configure("sleep", "1000", linux={"resources": {"memory": {"limit": 32 << 20, "swap": 64 << 20}}})
    assert oci.run("one", "-d").returncode == 0
    assert json.loads(oci.ok("events", "--stats", "one"))["data"]["memory"]["usage"]["limit"] == 32 << 20
    oci.ok("update", "--memory", "-1", "one")
    assert json.loads(oci.ok("events", "--stats", "one"))["data"]["memory"]["usage"]["limit"] == 0
