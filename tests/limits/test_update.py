"""`update`: the kernel's files say the new limits at once, the record says them too, and a conflict changes neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.limits.containers import Running, eventually, has_controller, running
from tests.support.command import Minidock


def host_config(minidock: Minidock, name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(minidock("inspect", name).stdout)[0]["HostConfig"]
    return config


def update(minidock: Minidock, *words: str) -> tuple[int, str, str]:
    done = minidock("update", *words)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.cgroup
def test_every_limit_is_in_force_at_once_and_on_record(minidock: Minidock) -> None:
    with running(minidock) as container:
        flags = ("-m", "64m", "--memory-swap", "100m", "--memory-reservation", "16m", "--cpus", "0.5", "--cpu-shares",
                 "2048", "--pids-limit", "20")  # fmt: skip
        assert update(minidock, *flags, container.name) == (0, f"{container.name}\n", "")
        assert container.read("memory.max") == str(64 << 20)
        assert container.read("memory.low") == str(16 << 20)
        assert container.read("cpu.max") == "50000 100000"
        assert container.read("cpu.weight") == "79"
        assert container.read("pids.max") == "20"
        if (container.cgroup / "memory.swap.max").exists():
            assert container.read("memory.swap.max") == str(36 << 20)
        has = host_config(minidock, container.name)
        assert (has["Memory"], has["MemorySwap"], has["NanoCpus"], has["CpuShares"], has["PidsLimit"]) == (
            64 << 20, 100 << 20, 500_000_000, 2048, 20)  # fmt: skip


@pytest.mark.cgroup
def test_a_share_of_the_disk_where_the_kernel_has_that(minidock: Minidock) -> None:
    with running(minidock) as container:
        code, _, err = update(minidock, "--blkio-weight", "500", container.name)
        files = {name: container.cgroup / name for name in ("io.bfq.weight", "io.weight")}
        said = {name: container.read(name) for name, path in files.items() if path.exists()}
    if "io.bfq.weight" in said:
        assert (code, said["io.bfq.weight"]) == (0, "default 500")
    elif "io.weight" in said:
        assert (code, said["io.weight"]) == (0, "default 4950")
    else:
        assert code == 1
        assert "this kernel has no io.weight: the limit cannot be enforced" in err


@pytest.mark.cgroup
def test_processors_can_be_chosen(minidock: Minidock) -> None:
    with running(minidock) as container:
        if not has_controller("cpuset"):
            refused = update(minidock, "--cpuset-cpus", "0", container.name)
            assert refused[0] == 1
            assert "this kernel has no cpuset.cpus: the limit cannot be enforced" in refused[2]
            return
        assert update(minidock, "--cpuset-cpus", "0", "--cpuset-mems", "0", container.name)[0] == 0
        assert (container.read("cpuset.cpus"), container.read("cpuset.mems")) == ("0", "0")


@pytest.mark.cgroup
def test_what_is_not_named_stays(minidock: Minidock) -> None:
    with running(minidock, "-m", "32m", "--pids-limit", "30") as container:
        assert update(minidock, "--cpus", "0.25", container.name)[0] == 0
        assert limits(container) == {"memory.max": str(32 << 20), "pids.max": "30", "cpu.max": "25000 100000"}
        assert update(minidock, "--pids-limit", "-1", "-m", "0", container.name)[0] == 0
        assert limits(container) == {"memory.max": str(32 << 20), "pids.max": "max", "cpu.max": "25000 100000"}


@pytest.mark.cgroup
def test_a_conflict_changes_nothing(minidock: Minidock) -> None:
    with running(minidock, "-m", "32m", "--memory-swap", "40m") as container:
        before = limits(container)
        for flags, words in (
            (("-m", "64m"), "Memory limit should be smaller than already set memoryswap limit, update the memoryswap "
                            "at the same time"),
            (("--memory-swap", "16m"), "Minimum memoryswap limit should be larger than memory limit"),
            (("--pids-limit", "7", "-m", "1m"), "Minimum memory limit allowed is 6MB"),
            (("--cpus", "1000"), "Range of CPUs is from 0.01 to"),
            (("--blkio-weight", "5"), "Range of blkio weight is from 10 to 1000"),
        ):  # fmt: skip
            code, out, err = update(minidock, *flags, container.name)
            assert (code, out) == (1, "")
            assert err.startswith("minidock: Cannot update container ")
            assert words in err
            assert limits(container) == before
        assert host_config(minidock, container.name)["Memory"] == 32 << 20
        assert update(minidock, "-m", "64m", "--memory-swap", "80m", container.name)[0] == 0
        assert container.read("memory.max") == str(64 << 20)


@pytest.mark.cgroup
def test_a_limit_that_is_refused_half_way_is_taken_back(minidock: Minidock) -> None:
    with running(minidock) as container:
        (container.cgroup / "cpu.max").write_text("30000 100000")
        # The kernel takes a memory limit, and then no list of memory nodes where it has no cpuset.
        if has_controller("cpuset"):
            pytest.skip("this kernel has every controller")
        assert update(minidock, "-m", "64m", "--cpus", "0.5", "--cpuset-mems", "0", container.name)[0] == 1
        assert limits(container) == {"memory.max": "max", "pids.max": "max", "cpu.max": "30000 100000"}
        assert host_config(minidock, container.name)["Memory"] == 0


@pytest.mark.cgroup
def test_a_new_limit_is_enforced(minidock: Minidock) -> None:
    with running(minidock) as container:
        assert update(minidock, "-m", "16m", "--memory-swap", "16m", container.name)[0] == 0
        done = minidock("exec", container.name, "sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1")
        assert done.returncode == 137  # a process of exec's is in the cgroup, too
        assert container.counters("memory.events")["oom_kill"] == 1


def limits(container: Running) -> dict[str, str]:
    return {name: container.read(name) for name in ("memory.max", "pids.max", "cpu.max")}


def test_the_restart_policy(minidock: Minidock) -> None:
    with running(minidock) as container:  # with --rm
        code, _, err = update(minidock, "--restart", "always", container.name)
        assert code == 1
        assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in err
    minidock("create", "--name", "restarted", "--network", "none", "busybox", "true")
    try:
        assert update(minidock, "--restart", "on-failure:3", "restarted") == (0, "restarted\n", "")
        policy = json.loads((next((minidock.root / "containers").glob("*/container.json"))).read_text())["options"]
        assert (policy["restart"], policy["restart_retries"]) == ("on-failure", 3)
        assert update(minidock, "--restart", "sometimes", "restarted")[0] == 1
        # Limits of a container that does not run are for its next start.
        assert update(minidock, "-m", "64m", "--memory-swap", "-1", "restarted")[0] == 0
        assert host_config(minidock, "restarted")["Memory"] == 64 << 20
    finally:
        minidock("rm", "restarted")


def test_a_new_policy_is_obeyed_by_one_that_runs(minidock: Minidock) -> None:
    state = ("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", "again")
    minidock("run", "-d", "--name", "again", "--network", "none", "busybox", "sh", "-c",
             "until [ -e /go ]; do sleep 0.01; done; exit 3")  # fmt: skip
    try:
        assert update(minidock, "--restart", "on-failure:1", "again")[0] == 0
        assert minidock("exec", "again", "touch", "/go").returncode in (0, 137)  # it may end with the container
        assert eventually(lambda: minidock(*state).stdout == b"exited 1\n")
    finally:
        minidock("rm", "-f", "again")


def test_what_cannot_be_meant(minidock: Minidock) -> None:
    missing = "minidock: you must provide one or more flags when using this command\n"
    assert update(minidock, "nobody") == (1, "", missing)
    assert update(minidock, "-m", "64m", "nobody") == (1, "", "minidock: No such container: nobody\n")
