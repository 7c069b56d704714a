"""The kernel enforces what was asked: memory, processes and processor time run out inside and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minidock.linux.cgroups import Cgroup
from tests.limits.containers import eventually, running, tree
from tests.support.command import Minidock, Process

pytestmark = pytest.mark.cgroup

NO_MORE = "the container may have no more processes: see its --pids-limit, and --ulimit nproc"

# dd's one block is memory that it must hold at once.
HOLD_64M = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")


def test_out_of_memory_is_137_and_recorded(minidock: Minidock) -> None:
    flags = ("--name", "thirsty", "--network", "none", "-m", "16m", "--memory-swap", "16m")
    try:
        assert minidock("run", *flags, "busybox", *HOLD_64M).returncode == 137
        state = json.loads(minidock("inspect", "thirsty").stdout)[0]["State"]
        assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    finally:
        minidock("rm", "-f", "thirsty")


def test_a_kill_for_another_reason_is_not_recorded_as_that(minidock: Minidock) -> None:
    flags = ("--name", "murdered", "--network", "none", "-m", "64m")
    try:
        assert minidock("run", *flags, "busybox", "sh", "-c", "kill -9 $$; sh -c 'kill -9 $$'; exit 3").returncode == 3
        assert json.loads(minidock("inspect", "murdered").stdout)[0]["State"]["OOMKilled"] is False
    finally:
        minidock("rm", "-f", "murdered")


def test_processes_and_processor_time_run_out(minidock: Minidock) -> None:
    bomb = "(while :; do sleep 1000 & done) 2>&1"
    with running(minidock, "--pids-limit", "10", "--cpus", "0.1", script=bomb, then="while :; do :; done") as container:
        assert "can't fork" in container.said[0]
        assert int(container.read("pids.current")) <= 10
        assert container.counters("pids.events")["max"] >= 1
        assert eventually(lambda: container.counters("cpu.stat")["nr_throttled"] > 0)


def test_who_comes_in_where_no_more_may_is_told_so(minidock: Minidock) -> None:
    words = ("--network", "none", "--name", "crowded", "--pids-limit", "1", "busybox", "sleep", "1000")
    assert minidock("run", "-d", *words).returncode == 0
    refused = minidock("exec", "crowded", "true")
    assert (refused.returncode, refused.stderr.decode()) == (126, f"minidock: {NO_MORE}\n")
    minidock("update", "--pids-limit", "2", "crowded")  # room for one of the two that it is for a moment
    refused = minidock("exec", "crowded", "true")
    assert (refused.returncode, refused.stderr.decode()) == (126, f"minidock: {NO_MORE}\n")
    minidock("update", "--pids-limit", "3", "crowded")
    assert minidock("exec", "crowded", "true").returncode == 0
    minidock("rm", "-f", "crowded")


@pytest.mark.usefixtures("only_cgroupfs")
def test_a_parent_that_holds_processes_is_refused_and_left_as_it_is(minidock: Minidock, parent: Path) -> None:
    with Process(["sleep", "1000"]) as squatter:
        (parent / "cgroup.procs").write_text(str(squatter.pid))
        flags = ("--rm", "--network", "none", "--cgroup-parent", parent.name)
        for limit, controller in (("-m", "memory"), ("--pids-limit", "pids")):
            refused = minidock("run", *flags, limit, "64000000", "busybox", "true")
            assert (refused.returncode, refused.stdout) == (125, b"")
            assert refused.stderr.decode() == (
                f"minidock: cgroup {parent} cannot hand down its {controller} controller, because it holds processes: "
                "move them away or choose another --cgroup-parent\n"
            )
        # What needs no controller can run beside them.
        assert minidock("run", *flags, "busybox", "true").returncode == 0
        assert (parent / "cgroup.type").read_text() == "domain\n"
        assert (parent / "cgroup.subtree_control").read_text().strip() == ""
        squatter.kill()


@pytest.mark.usefixtures("only_cgroupfs")
def test_a_parent_made_of_threads_is_refused(minidock: Minidock, parent: Path) -> None:
    (parent / "threads").mkdir()
    (parent / "threads" / "cgroup.type").write_text("threaded")
    refused = minidock(
        "run", "--rm", "--network", "none", "--cgroup-parent", f"{parent.name}/threads", "busybox", "true"
    )
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert "not 'domain': choose another --cgroup-parent" in refused.stderr.decode()
    assert [path.name for path in parent.iterdir() if path.is_dir()] == ["threads"]


@pytest.mark.usefixtures("only_cgroupfs")
def test_dots_do_not_lead_out_of_the_tree(minidock: Minidock) -> None:
    with running(minidock, "--cgroup-parent", "../../minidock-dots") as container:
        assert container.cgroup.parent == tree() / "minidock-dots"
    container.cgroup.parent.rmdir()


def test_a_failure_half_way_down_leaves_no_directory(parent: Path) -> None:
    (parent / "cgroup.max.descendants").write_text("1")
    with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):  # EAGAIN, from the second mkdir
        Cgroup(str(parent / "a" / "b")).create()
    assert not (parent / "a").exists()


def test_one_that_is_there_already_is_not_taken_over(parent: Path) -> None:
    cgroup = Cgroup(str(parent / "a" / "b"))
    cgroup.create({"memory"})
    with pytest.raises(FileExistsError):
        cgroup.create({"memory"})
    assert cgroup.exists()


def test_from_an_image_to_an_exit_with_everything(minidock: Minidock) -> None:
    """The main job on one page: image, layers, cgroup, network, exit."""
    script = "cat /sys/fs/cgroup/memory.max; grep ^ID= /etc/os-release; ip -4 -o address show eth0; exit 42"
    done = minidock("run", "--rm", "--memory", "64m", "alpine", "sh", "-c", script, timeout=120)
    memory, name, address = done.stdout.decode().splitlines()
    assert (memory, name) == (str(64 << 20), "ID=alpine")
    assert "inet 172." in address or "inet 10." in address or "inet 192.168." in address
    assert done.returncode == 42
    again = minidock("run", "--rm", "--memory", "64m", "alpine", "true")
    # A kernel without address translation runs containers all the same, and says what they cannot do.
    assert [line.startswith(b"WARNING: ") for line in again.stderr.splitlines()] in ([], [True])
    assert again.returncode == 0
    assert minidock("ps", "-aq").stdout == b""
